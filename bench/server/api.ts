import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { allowOrigin, answerPreflight, isPreflight } from '../../servers/http/cors.ts'
import { answerJson } from '../../servers/http/json.ts'

const kilobyte = Buffer.from(JSON.stringify({ text: '' }).replace('""', `"${'x'.repeat(1013)}"`))
/** Incompressible bytes, as in most downloads. */
const chunk = randomBytes(256 * 1024)
/** One gigabit per second, as bytes per millisecond. */
const pace = 125_000

/** `/json` is one kilobyte. `/bytes?size=` is the given size; with `&pace=1`, it is sent at one gigabit per second. */
export async function answerApiCall(
  isValid: (token: string) => boolean,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  allowOrigin(request, response)
  if (isPreflight(request)) {
    answerPreflight(request, response)
    return
  }
  response.setHeader('Cache-Control', 'no-store')
  if (!isValid(request.headers.authorization?.replace(/^Bearer /, '') ?? '')) {
    answerJson(response, 401, { error: 'invalid_token' }, { 'WWW-Authenticate': 'Bearer error="invalid_token"' })
    return
  }
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost')
  if (pathname === '/json' || pathname === '/cached') {
    if (pathname === '/cached') response.setHeader('Cache-Control', 'max-age=3600')
    response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': kilobyte.length }).end(kilobyte)
    return
  }
  const size = Number(searchParams.get('size'))
  response.writeHead(200, { 'Content-Type': 'application/octet-stream', 'Content-Length': size })
  await sendBytes(response, size, searchParams.has('pace'))
}

async function sendBytes(response: ServerResponse, size: number, isPaced: boolean): Promise<void> {
  const start = performance.now()
  let sent = 0
  while (sent < size && !response.destroyed) {
    const due = isPaced ? Math.min(size, 64 * 1024 + (performance.now() - start) * pace) : size
    const part = Math.min(Math.floor(due - sent), chunk.length)
    if (part <= 0) {
      await sleep(1)
      continue
    }
    sent += part
    if (!response.write(chunk.subarray(0, part))) await drained(response)
  }
  response.end()
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done)
      response.off('close', done)
      resolve()
    }
    response.on('drain', done)
    response.on('close', done)
  })
}
