/** Statuses of answers without a body: `new Response` rejects even an empty one (Fetch §2.2.3). */
export const NULL_BODY_STATUSES: readonly number[] = [204, 205, 304]

/** Whether a status is a redirect (RFC 9110 §15.4). */
export function isRedirect(status: number): boolean {
  return status >= 301 && status <= 308 && status !== 304
}
