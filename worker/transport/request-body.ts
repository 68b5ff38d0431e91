import type { WireForm } from '../../src/protocol/wire.ts'

/** What `fetch` is to send. A stream needs HTTP/2, and is sent once (Fetch §5.3, `duplex`). */
export function toRequestBody(body: unknown): RequestInit {
  if (body === undefined) return {}
  if (isStream(body)) return { body, duplex: 'half' } as RequestInit
  return { body: isForm(body) ? toFormData(body) : (body as BodyInit) }
}

/** Whether a body is gone once it was sent, so that the request cannot be sent again. */
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
