import { wrap } from 'comlink'
import { control } from '../control.ts'
import { type Answer, receive } from '../hand-over.ts'
import type { LeanMethods, LeanRequest } from '../lean.worker.ts'
import { readGood } from './client.ts'
import type { Host } from './lingpai.ts'
import type { OwnFetch } from './own-fetch.ts'

/** The minimum for a client with Comlink and the parameters of `fetch`: the page's side of `lean.worker.ts`. */
export async function createLeanWorker(host: Host, port = start(host)): Promise<OwnFetch> {
  const { accessToken } = await control.signIn()
  const remote = wrap<LeanMethods>(port)
  // Each read of its property creates a new proxy.
  const fetchThere = remote.fetch as unknown as (request: LeanRequest, token: string) => Promise<Answer>

  async function call(input: string): Promise<Response> {
    const { url, method, headers } = new Request(input)
    return receive(await fetchThere({ url, method, headers: [...headers] }, accessToken))
  }
  return { fetch: call, read: async (url) => readGood(await call(url)) }
}

function start(host: Host): MessagePort | Worker {
  if (host === 'dedicated') return new Worker(new URL('../lean.worker.ts', import.meta.url), { type: 'module' })
  return new SharedWorker(new URL('../lean.worker.ts', import.meta.url), { type: 'module', name: 'lean' }).port
}
