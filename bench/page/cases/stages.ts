import { createBareWorker } from '../clients/bare-worker.ts'
import type { Contestant, Floor } from '../clients/index.ts'
import { createLeanWorker } from '../clients/lean-worker.ts'
import { createLingpai, type Host } from '../clients/lingpai.ts'
import { createOwnFetch } from '../clients/own-fetch.ts'
import { control } from '../control.ts'
import { orderOfRound } from '../interleave.ts'
import { sleep } from '../measure.ts'
import type { PageCase } from '../page-case.ts'
import { stageNames } from '../stage-names.ts'

type Call = (url: string) => Promise<Response>

const now = () => performance.timeOrigin + performance.now()
const channel = new BroadcastChannel('stages')

/** The duration of each stage of a call, from the page to the first byte that it can read. */
export const stages: PageCase = async ({ options, api }, tell) => {
  const { rounds, size } = options as { rounds: number; size: number }
  const contestants: [Contestant, Call][] = [
    ['fetch', (await createOwnFetch()).fetch],
    ['shared', (await createLingpai('shared', 0, { shared: () => openShared('shared') })).session.fetch],
    ['dedicated', (await createLingpai('dedicated', 0, { dedicated: () => openDedicated('dedicated') })).session.fetch],
    ['bare-shared', (await createBareWorker('shared', openShared('bare-shared').port)).fetch],
    ['bare-dedicated', (await createBareWorker('dedicated', openDedicated('bare-dedicated'))).fetch],
    ['lean-shared', (await createLeanWorker('shared', openShared('lean-shared').port)).fetch],
    ['lean-dedicated', (await createLeanWorker('dedicated', openDedicated('lean-dedicated'))).fetch],
  ]
  const url = `${api}/bytes?size=${size}&pace=1`

  for (let round = -3; round < rounds; round++) {
    for (const [contestant, call] of orderOfRound(contestants, Math.max(round, 0))) {
      const times = await timeStages(contestant, call, url)
      if (round < 0) continue
      for (const [metric, value] of times) tell({ round, contestant, metric, value })
    }
    await control.progress(Math.max(round + 1, 0), rounds)
  }
}

/** The duration of each stage and of all stages, in milliseconds. */
async function timeStages(contestant: Contestant, call: Call, url: string): Promise<[string, number][]> {
  channel.postMessage('begin')
  await sleep(20)
  const start = now()
  const response = await call(url)
  const answered = now()
  const reader = (response.body as ReadableStream<Uint8Array>).getReader()
  await reader.read()
  const first = now()
  while (!(await reader.read()).done);
  const inWorker = contestant === 'fetch' ? {} : await askWorker(contestant)
  const moments = { ...inWorker, 'answer in the page': answered, 'first byte in the page': first }
  const ordered = Object.entries(moments).sort(([, one], [, other]) => one - other)
  const times = ordered.map(([name, at], index): [string, number] => [name, at - (ordered[index - 1]?.[1] ?? start)])
  return [...times.filter(([name]) => stageNames.includes(name as never)), ['all of it', first - start]]
}

function askWorker(name: string): Promise<Record<string, number>> {
  return new Promise((resolve) => {
    const listen = ({ data }: MessageEvent) => {
      if (data.name !== name) return
      channel.removeEventListener('message', listen)
      resolve(data.noted)
    }
    channel.addEventListener('message', listen)
    channel.postMessage('tell')
  })
}

// Vite must find each worker's URL as a literal.
function openShared(name: Host | Floor): SharedWorker {
  switch (name) {
    case 'bare-shared':
      return new SharedWorker(new URL('../staged-bare.worker.ts', import.meta.url), {
        type: 'module',
        name: 'bare-shared',
      })
    case 'lean-shared':
      return new SharedWorker(new URL('../staged-lean.worker.ts', import.meta.url), {
        type: 'module',
        name: 'lean-shared',
      })
    default:
      return new SharedWorker(new URL('../staged-token.worker.ts', import.meta.url), { type: 'module', name: 'shared' })
  }
}

function openDedicated(name: Host | Floor): Worker {
  switch (name) {
    case 'bare-dedicated':
      return new Worker(new URL('../staged-bare.worker.ts', import.meta.url), {
        type: 'module',
        name: 'bare-dedicated',
      })
    case 'lean-dedicated':
      return new Worker(new URL('../staged-lean.worker.ts', import.meta.url), {
        type: 'module',
        name: 'lean-dedicated',
      })
    default:
      return new Worker(new URL('../staged-token.worker.ts', import.meta.url), { type: 'module', name: 'dedicated' })
  }
}
