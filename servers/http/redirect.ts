import type { ServerResponse } from 'node:http'
import { answerJson } from './json.ts'

const redirectStatuses: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

export function answerRedirect(response: ServerResponse, to: unknown, status: unknown): void {
  const code = Number(status)
  if (!redirectStatuses.has(code) || typeof to !== 'string' || !URL.canParse(to)) {
    const error = 'a redirect needs `to`, an absolute URL, and `status`, one of 301, 302, 303, 307 and 308'
    answerJson(response, 400, { error })
    return
  }
  response.writeHead(code, { Location: to, 'Content-Length': 0 }).end()
}
