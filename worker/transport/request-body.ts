import type { WireForm } from '../../src/protocol/wire.ts'

/** The body for `fetch`. A stream needs HTTP/2 and can be sent once (Fetch §5.3, `duplex`). */
export function toRequestBody(body: unknown): RequestInit {
  if (body === undefined) return {}
  if (isStream(body)) return { body, duplex: 'half' } as RequestInit
  return { body: isForm(body) ? toFormData(body) : (body as BodyInit) }
}

/** Whether a body can be sent only once, so that the request cannot be retried. */
export function isStream(body: unknown): body is ReadableStream {
  return body instanceof ReadableStream
}

function isForm(body: unknown): body is WireForm {
  return typeof body === 'object' && body !== null && 'form' in body
}

function toFormData({ form }: WireForm): FormData {
  const data = new FormData()
  for (const [name, value] of form) data.append(name, value as string)
  return data
}
