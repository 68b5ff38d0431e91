import { expose } from 'comlink'

/** Measures Comlink alone: a method that returns at once. */
const methods = { getAccessToken: async (_call: string) => 'token' }

globalThis.addEventListener('connect', (event) => expose(methods, (event as MessageEvent).ports[0] as never))
if (!('SharedWorkerGlobalScope' in globalThis)) expose(methods, globalThis as never)
