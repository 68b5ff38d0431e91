/** Statuses whose answers have no body: `new Response` refuses even an empty one (Fetch §2.2.3). */
export const NULL_BODY_STATUSES: readonly number[] = [204, 205, 304]

/** The statuses that lead elsewhere (RFC 9110 §15.4). */
export function isRedirect(status: number): boolean {
  return status >= 301 && status <= 308 && status !== 304
}
