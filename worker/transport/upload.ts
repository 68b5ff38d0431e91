import { NULL_BODY_STATUSES } from '../../src/protocol/http.ts'
import type { UploadProgress, WireRequest } from '../../src/protocol/wire.ts'
import { isStream } from './request-body.ts'

/**
 * Whether `XMLHttpRequest` would send a request as `fetch` does. Only it reports the progress of an upload, but it has no
 * mode, integrity and `keepalive`, and follows every redirect.
 *
 * @see https://xhr.spec.whatwg.org/#the-send()-method
 */
export function canWatchUpload({ body, mode, credentials, redirect, integrity, keepalive }: WireRequest): boolean {
  return (
    typeof XMLHttpRequest === 'function' &&
    body !== undefined &&
    !isStream(body) &&
    (mode ?? 'cors') === 'cors' &&
    credentials !== 'omit' &&
    (redirect ?? 'follow') === 'follow' &&
    !integrity &&
    !keepalive
  )
}

/** A `fetch` that reports the progress of its upload, at most every 50 ms, and reads the response's body whole. */
export function watchUpload(report: (progress: UploadProgress) => void): typeof globalThis.fetch {
  return async (url, { method, headers, body, credentials, signal } = {}) =>
    new Promise((resolve, reject) => {
      const request = new XMLHttpRequest()
      const abort = () => request.abort()
      request.open(method as string, url as string)
      request.responseType = 'arraybuffer'
      request.withCredentials = credentials === 'include'
      for (const [name, value] of headers as [string, string][]) request.setRequestHeader(name, value)
      request.upload.onprogress = ({ loaded, total }) => report({ loaded, total })
      request.onload = () => resolve(toResponse(request, url as string))
      request.onerror = () => reject(new TypeError('Failed to fetch'))
      request.onabort = () => reject(signal?.reason)
      request.onloadend = () => signal?.removeEventListener('abort', abort)
      signal?.addEventListener('abort', abort)
      // For a string, XMLHttpRequest would change the charset of the content type.
      request.send(typeof body === 'string' ? new Blob([body]) : (body as XMLHttpRequestBodyInit))
      if (signal?.aborted) abort()
    })
}

function toResponse(request: XMLHttpRequest, requestUrl: string): Response {
  const { status, statusText, responseURL: url, response } = request
  const lines = request.getAllResponseHeaders().split('\r\n').filter(Boolean)
  const headers = lines.map((line) => line.split(/: (.*)/s, 2) as [string, string])
  const body = NULL_BODY_STATUSES.includes(status) ? null : (response as ArrayBuffer)
  const fields = {
    url,
    redirected: url !== requestUrl.replace(/#.*/s, ''),
    type: new URL(url).origin === globalThis.location.origin ? 'basic' : 'cors',
  }
  const result = new Response(body, { status, statusText, headers })
  for (const [name, value] of Object.entries(fields)) Object.defineProperty(result, name, { value })
  return result
}
