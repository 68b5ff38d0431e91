import { createLingpai, type Host } from '../clients/lingpai.ts'
import { createOwnFetch } from '../clients/own-fetch.ts'
import { control } from '../control.ts'
import { sleep } from '../measure.ts'
import type { PageCase } from '../page-case.ts'

/** The memory growth during a large download that the page reads slowly. */
export const memory: PageCase = async ({ options, api }, tell) => {
  const { contestant, size, seconds } = options as { contestant: 'fetch' | Host; size: number; seconds: number }
  const call =
    contestant === 'fetch' ? (await createOwnFetch()).fetch : (await createLingpai(contestant, 0)).session.fetch
  await (await call(`${api}/bytes?size=1000000`)).arrayBuffer()
  await sleep(500)
  await control.memory('begin')
  const start = performance.now()
  const response = await call(`${api}/bytes?size=${size}`)
  const reader = (response.body as ReadableStream<Uint8Array>).getReader()
  const { gc } = globalThis as { gc?: () => void }
  let received = 0
  let collected = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    received += value.byteLength
    // Chunks that the page has dropped are not a copy. Without this, the browser would keep hundreds of megabytes as garbage.
    if (received - collected > 8e6) {
      collected = received
      gc?.()
    }
    const due = start + (received / size) * seconds * 1000
    if (due - performance.now() > 4) await sleep(due - performance.now())
  }
  if (received !== size) throw new Error(`${contestant} got ${received} of ${size} bytes`)
  const { growth } = await control.memory('end')
  tell({ round: 0, contestant, metric: 'growth', value: growth })
  tell({ round: 0, contestant, metric: 'share of the body', value: growth / size })
}
