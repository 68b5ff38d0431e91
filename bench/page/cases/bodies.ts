import { createBareWorker } from '../clients/bare-worker.ts'
import type { Contestant } from '../clients/index.ts'
import { createLeanWorker } from '../clients/lean-worker.ts'
import { createLingpai } from '../clients/lingpai.ts'
import { createOwnFetch } from '../clients/own-fetch.ts'
import { control } from '../control.ts'
import { orderOfRound } from '../interleave.ts'
import type { PageCase } from '../page-case.ts'

type Way = 'paced, streamed' | 'unpaced, streamed' | 'unpaced, arrayBuffer'
const ways: readonly Way[] = ['paced, streamed', 'unpaced, streamed', 'unpaced, arrayBuffer']

/** A body of 16 MB: the time to its end, and the time to its first chunk. */
export const bodies: PageCase = async ({ options, api }, tell) => {
  const { rounds, size } = options as { rounds: number; size: number }
  const shared = await createLingpai('shared', 0)
  const dedicated = await createLingpai('dedicated', 0)
  const fetches: [Contestant, (url: string) => Promise<Response>][] = [
    ['fetch', (await createOwnFetch()).fetch],
    ['shared', shared.session.fetch],
    ['dedicated', dedicated.session.fetch],
    ['bare-shared', (await createBareWorker('shared')).fetch],
    ['bare-dedicated', (await createBareWorker('dedicated')).fetch],
    ['lean-shared', (await createLeanWorker('shared')).fetch],
    ['lean-dedicated', (await createLeanWorker('dedicated')).fetch],
  ]

  for (let round = -1; round < rounds; round++) {
    for (const way of ways) {
      // One URL for each client, because each other URL would cost a preflight.
      const url = `${api}/bytes?size=${size}${way.startsWith('paced') ? '&pace=1' : ''}`
      for (const [contestant, call] of orderOfRound(fetches, Math.max(round, 0))) {
        const { first, total, received } = await download(call, url, way)
        if (received !== size) throw new Error(`${contestant} got ${received} of ${size} bytes`)
        // The first round only fills caches.
        if (round < 0) continue
        tell({ round, contestant, metric: `${way}: total`, value: total })
        if (first !== undefined) tell({ round, contestant, metric: `${way}: first byte`, value: first })
      }
    }
    await control.progress(round + 1, rounds)
  }
}

async function download(call: (url: string) => Promise<Response>, url: string, way: Way) {
  const start = performance.now()
  const response = await call(url)
  if (way === 'unpaced, arrayBuffer') {
    const { byteLength } = await response.arrayBuffer()
    return { first: undefined, total: performance.now() - start, received: byteLength }
  }
  const reader = (response.body as ReadableStream<Uint8Array>).getReader()
  let first: number | undefined
  let received = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return { first, total: performance.now() - start, received }
    first ??= performance.now() - start
    received += value.byteLength
  }
}
