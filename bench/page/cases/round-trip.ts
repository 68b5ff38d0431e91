import { wrap } from 'comlink'
import { createLingpai } from '../clients/lingpai.ts'
import { control } from '../control.ts'
import { orderOfRound } from '../interleave.ts'
import { time } from '../measure.ts'
import type { PageCase } from '../page-case.ts'

/** The smallest call to the broker, compared with a message to a worker that only echoes it. */
export const roundTrip: PageCase = async ({ options }, tell) => {
  const { rounds, calls } = options as { rounds: number; calls: number }
  const sharedEcho = new SharedWorker(new URL('../echo.worker.ts', import.meta.url), { type: 'module', name: 'echo' })
  const dedicatedEcho = new Worker(new URL('../echo.worker.ts', import.meta.url), { type: 'module' })
  sharedEcho.port.start()
  const sharedComlink = wrapComlink(
    new SharedWorker(new URL('../comlink.worker.ts', import.meta.url), { type: 'module', name: 'comlink' }).port,
  )
  const dedicatedComlink = wrapComlink(new Worker(new URL('../comlink.worker.ts', import.meta.url), { type: 'module' }))
  const shared = await createLingpai('shared', 0)
  const dedicated = await createLingpai('dedicated', 0)
  const contestants: [string, () => Promise<unknown>][] = [
    ['shared: postMessage', () => echo(sharedEcho.port)],
    ['shared: Comlink', () => sharedComlink.getAccessToken('x')],
    ['shared: call', () => shared.session.getAccessToken()],
    ['dedicated: postMessage', () => echo(dedicatedEcho)],
    ['dedicated: Comlink', () => dedicatedComlink.getAccessToken('x')],
    ['dedicated: call', () => dedicated.session.getAccessToken()],
  ]

  for (let round = -2; round < rounds; round++) {
    for (const [contestant, call] of orderOfRound(contestants, Math.max(round, 0))) {
      const elapsed = await time(async () => {
        for (let done = 0; done < calls; done++) await call()
      })
      if (round >= 0) tell({ round, contestant, metric: 'one call', value: elapsed / calls })
    }
    await control.progress(round + 1, rounds)
  }
}

function wrapComlink(port: MessagePort | Worker) {
  return wrap<{ getAccessToken(call: string): Promise<string> }>(port)
}

function echo(port: MessagePort | Worker): Promise<unknown> {
  return new Promise((resolve) => {
    port.onmessage = resolve
    port.postMessage({ id: 'x', type: 'APPLY', path: ['getAccessToken'], argumentList: [{ type: 'RAW', value: 'x' }] })
  })
}
