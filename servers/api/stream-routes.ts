import type { IncomingMessage, ServerResponse } from 'node:http'
import { constants, type Http2ServerResponse } from 'node:http2'
import { setTimeout as delay } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { downloadBytes } from '../http/download-bytes.ts'
import { answerJson, isJsonObject, parseJson } from '../http/json.ts'
import { readBody } from '../http/request-body.ts'
import type { ApiRoute } from './api-route.ts'

/** The next step of a stream. In a text, `{token}` is replaced by the credentials, and `{token:2:5}` by a part of them. */
type Step =
  | { readonly head: Readonly<Record<string, string>>; readonly status?: number }
  | { readonly write: string }
  | { readonly gzip: string }
  /** This number of bytes, as fast as the client reads them. */
  | { readonly fill: number }
  | { readonly wait: number }
  | { readonly end: true }
  | { readonly destroy: true }

interface OpenStream {
  /** Bytes that the connection has accepted. */
  taken: number
  isClosed: boolean
  /** Steps of the URL, and later those of `/stream-steps`. */
  readonly perform: (steps: readonly Step[]) => Promise<void>
}

const streams = new Map<string, OpenStream>()
const deniedOnce = new Set<string>()

/** Responses in steps that the client defines. The client chooses the `id` of each. */
export const streamRoutes: Readonly<Record<string, ApiRoute>> = {
  '/stream': {
    anyMethod: true,
    async answer({ request, response, url, credentials = '' }) {
      const stream = openStream(request, response, credentials)
      streams.set(url.searchParams.get('id') ?? '', stream)
      await stream.perform(toSteps(parseJson(url.searchParams.get('steps') ?? '[]')))
      if (!response.closed) await new Promise((resolve) => response.once('close', resolve))
    },
  },
  '/stream-steps': {
    public: true,
    anyMethod: true,
    async answer({ request, response, url }) {
      const stream = streams.get(url.searchParams.get('id') ?? '')
      void stream?.perform(toSteps(parseJson((await readBody(request)).toString())))
      answerState(response, stream)
    },
  },
  '/stream-state': {
    public: true,
    answer({ response, url }) {
      answerState(response, streams.get(url.searchParams.get('id') ?? ''))
    },
  },
  '/denied-once': {
    anyMethod: true,
    async answer({ request, response, url }) {
      const id = url.searchParams.get('id') ?? ''
      const body = await readBody(request)
      if (deniedOnce.has(id)) {
        response.writeHead(200, {
          'Content-Type': request.headers['content-type'] ?? 'application/octet-stream',
          'Content-Length': body.length,
        })
        response.end(body)
        return
      }
      deniedOnce.add(id)
      answerJson(response, 401, { error: 'invalid_token', received: body.length })
    },
  },
  '/cached': {
    answer({ request, response }) {
      const isKnown = request.headers['if-none-match'] === '"one"'
      const headers = { ETag: '"one"', 'Cache-Control': 'max-age=600', 'Content-Type': 'text/plain', Vary: '' }
      response.writeHead(isKnown ? 304 : 200, headers).end(isKnown ? undefined : String(Math.random()))
    },
  },
}

function openStream(request: IncomingMessage, response: ServerResponse, credentials: string): OpenStream {
  const token = credentials.replace(/^Bearer /, '')
  let last = Promise.resolve()

  const take = async (chunk: Buffer): Promise<void> => {
    if (stream.isClosed) return
    if (!response.write(chunk)) await drained(response)
    if (!stream.isClosed) stream.taken += chunk.length
  }
  const performOne = async (step: Step): Promise<void> => {
    if ('head' in step) {
      response.writeHead(step.status ?? 200, step.head)
      response.flushHeaders()
    } else if ('write' in step) {
      await take(Buffer.from(fillIn(step.write, token)))
    } else if ('gzip' in step) {
      await take(gzipSync(step.gzip))
    } else if ('fill' in step) {
      for (let start = 0; start < step.fill && !stream.isClosed; start += 65_536) {
        await take(downloadBytes(start, Math.min(65_536, step.fill - start)))
      }
    } else if ('wait' in step) {
      await delay(step.wait, undefined, { ref: false })
    } else if ('end' in step) {
      response.end()
    } else if (request.httpVersionMajor === 2) {
      // Without an error code, this would be a regular end of the body (RFC 9113 §8.1).
      const { stream } = response as unknown as Http2ServerResponse
      stream.close(constants.NGHTTP2_INTERNAL_ERROR)
    } else {
      request.socket.destroy()
    }
  }
  const stream: OpenStream = {
    taken: 0,
    isClosed: false,
    perform(steps) {
      for (const step of steps) last = last.then(() => performOne(step))
      return last
    },
  }
  response.once('close', () => {
    stream.isClosed = true
  })
  return stream
}

function answerState(response: ServerResponse, stream: OpenStream | undefined): void {
  const { taken = 0, isClosed = false } = stream ?? {}
  answerJson(
    response,
    200,
    { isOpen: stream !== undefined && !isClosed, isClosed, taken },
    { 'Cache-Control': 'no-store' },
  )
}

function fillIn(text: string, token: string): string {
  return text.replace(/\{token(?::(\d+):(\d+))?\}/g, (_all, from, to) =>
    from === undefined ? token : token.slice(Number(from), Number(to)),
  )
}

function toSteps(value: unknown): readonly Step[] {
  if (!Array.isArray(value) || !value.every(isJsonObject)) throw new TypeError('expected a JSON array of steps')
  return value as unknown as readonly Step[]
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done).off('close', done)
      resolve()
    }
    response.on('drain', done).on('close', done)
  })
}
