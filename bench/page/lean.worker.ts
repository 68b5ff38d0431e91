import { expose, transfer } from 'comlink'
import { type Answer, handOver } from './hand-over.ts'

export interface LeanRequest {
  readonly url: string
  readonly method: string
  readonly headers: readonly (readonly [string, string])[]
}

/** The bare worker, called through Comlink, with a request that the page has read through `Request`. It checks and stores nothing. */
const methods = {
  async fetch({ url, method, headers }: LeanRequest, token: string): Promise<Answer> {
    const all: [string, string][] = [...(headers as [string, string][]), ['Authorization', `Bearer ${token}`]]
    const told = await handOver(await fetch(url, { method, headers: all }))
    return transfer(told, [told.body])
  },
}

export type LeanMethods = typeof methods

globalThis.addEventListener('connect', (event) => expose(methods, (event as MessageEvent).ports[0] as never))
if (!('SharedWorkerGlobalScope' in globalThis)) expose(methods, globalThis as never)
