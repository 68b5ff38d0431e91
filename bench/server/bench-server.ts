import { readFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { extname, join } from 'node:path'
import { startHttpServer } from '../../servers/http/http-server.ts'
import { answerJson } from '../../servers/http/json.ts'
import { readBody } from '../../servers/http/request-body.ts'
import { answerApiCall } from './api.ts'
import { createTokenEndpoint } from './token-endpoint.ts'

/** The placeholder for the servers' addresses in the built pages. They are known only when the servers run. */
export const placeholders = { issuer: 'https://issuer.bench.invalid', api: 'https://api.bench.invalid' }

const contentTypes: Readonly<Record<string, string>> = { '.html': 'text/html', '.js': 'text/javascript' }

export interface Report {
  readonly figures: readonly { round: number; contestant: string; metric: string; value: number }[]
  readonly error?: string
}

export interface BenchServerOptions {
  /** The built pages. */
  readonly folder: string
  readonly case: string
  readonly tabs: number
  /** The parameters of the cases for the pages. */
  readonly options: Readonly<Record<string, unknown>>
  /** Lifetime of access tokens until the first expiry, in seconds. Default: an hour. */
  readonly firstLife?: number
  onProgress(done: number, of: number): void
  onReport(report: Report): void
  measureMemory(mark: 'begin' | 'end'): { readonly growth: number }
}

export interface BenchServer {
  readonly origin: string
  close(): Promise<void>
}

/** The pages and their control, the API, and the authorization server: three origins, as in real use. */
export async function startBenchServer(options: BenchServerOptions): Promise<BenchServer> {
  const { folder, tabs, onProgress, onReport, measureMemory } = options
  const tokenEndpoint = createTokenEndpoint(options.firstLife ?? 3600)
  const meetings = new Map<string, (() => void)[]>()

  const issuer = await startHttpServer(
    {},
    async (origin) => (request, response) => tokenEndpoint.handle(origin, request, response),
  )
  const api = await startHttpServer(
    {},
    async () => (request, response) => answerApiCall(tokenEndpoint.isValid, request, response),
  )

  function meet(name: string): Promise<void> {
    return new Promise((resolve) => {
      const waiting = meetings.get(name) ?? []
      meetings.set(name, waiting)
      waiting.push(resolve)
      if (waiting.length < tabs) return
      // A later barrier of the same name is a new one.
      meetings.delete(name)
      for (const proceed of waiting) proceed()
    })
  }

  const commands: Readonly<Record<string, (given: never) => unknown>> = {
    plan: ({ tab }: { tab: number }) => ({
      case: options.case,
      tab,
      tabs,
      api: api.origin,
      issuer: issuer.origin,
      options: options.options,
    }),
    'sign-in': () => tokenEndpoint.signIn(),
    expire: () => tokenEndpoint.expire(),
    fail: ({ how }: { how: 'unavailable' | 'rejected' }) => tokenEndpoint.fail(how),
    counters: () => tokenEndpoint.counters,
    meet: ({ name }: { name: string }) => meet(name),
    memory: ({ mark }: { mark: 'begin' | 'end' }) => measureMemory(mark),
    progress: ({ done, of }: { done: number; of: number }) => onProgress(done, of),
    report: (report: Report) => onReport(report),
  }

  async function answerPage(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost')
    const command = pathname.startsWith('/control/') ? commands[pathname.slice('/control/'.length)] : undefined
    if (command !== undefined) {
      const text = (await readBody(request)).toString()
      const result = await command(JSON.parse(text) as never)
      answerJson(response, 200, result ?? {})
      return
    }
    const file = join(folder, pathname === '/' ? 'index.html' : pathname)
    const content = await readFile(file, 'utf8').catch(() => undefined)
    if (content === undefined) {
      response.writeHead(404).end()
      return
    }
    response.writeHead(200, { 'Content-Type': contentTypes[extname(file)] ?? 'text/plain' })
    response.end(content.replaceAll(placeholders.issuer, issuer.origin).replaceAll(placeholders.api, api.origin))
  }

  const page = await startHttpServer({}, async () => answerPage)
  return {
    origin: page.origin,
    async close() {
      await Promise.all([page.close(), api.close(), issuer.close()])
    },
  }
}
