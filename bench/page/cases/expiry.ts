import { readGood } from '../clients/client.ts'
import { connectTo, createLingpai } from '../clients/lingpai.ts'
import { createOwnFetch } from '../clients/own-fetch.ts'
import { control } from '../control.ts'
import { orderOfRound } from '../interleave.ts'
import { atOnce, sleep, time } from '../measure.ts'
import type { PageCase } from '../page-case.ts'

/** Many simultaneous calls: with a valid token, with an expired one, and with one that the API rejects before its expiry. */
export const expiry: PageCase = async ({ options, api }, tell) => {
  const { rounds, sizes, most } = options as { rounds: number; sizes: number[]; most: number }
  const url = `${api}/instant`
  const session = connectTo({
    shared: () =>
      new SharedWorker(new URL('../instant.worker.ts', import.meta.url), { type: 'module', name: 'instant' }),
  })
  const channel = new BroadcastChannel('refuse')
  const read = async () => readGood(await session.fetch(url))

  async function adopt(life?: number): Promise<void> {
    const { accessToken, refreshToken, expiresIn } = await control.signIn()
    await session.adopt({ accessToken, refreshToken, expiresIn: life ?? expiresIn })
  }

  const contestants: Readonly<Record<string, () => Promise<void>>> = {
    valid: () => adopt(),
    expired: async () => {
      await adopt(0.001)
      await sleep(50)
    },
    refused: async () => {
      await adopt()
      await read()
      channel.postMessage('refuse')
      await sleep(50)
    },
  }

  await adopt()
  await atOnce(most / 4, read)
  for (let round = 0; round < rounds; round++) {
    for (const size of sizes) {
      // A few calls are so short that one measurement is not precise.
      const repetitions = Math.max(1, Math.min(9, Math.round(2000 / size)))
      for (const [contestant, prepare] of orderOfRound(Object.entries(contestants), round)) {
        if (contestant !== 'valid' && size !== most) continue
        const times: number[] = []
        const refreshes: number[] = []
        for (let done = 0; done < repetitions; done++) {
          await prepare()
          const before = await control.counters()
          times.push((await time(() => atOnce(size, read))) / size)
          const after = await control.counters()
          refreshes.push(after.refreshes - before.refreshes)
        }
        const value = times.sort((one, other) => one - other)[Math.floor(times.length / 2)] as number
        tell({ round, contestant, metric: `per call, ${size}`, value })
        tell({ round, contestant, metric: `refreshes, ${size}`, value: Math.max(...refreshes) })
      }
    }
    await control.progress(round + 1, rounds)
  }

  // Counts lost calls over the real network, from the browser's cache.
  const own = await createOwnFetch()
  const lingpai = await createLingpai('shared', 0)
  for (const [contestant, client] of Object.entries({ fetch: own, shared: lingpai })) {
    await client.read(`${api}/cached`)
    const answers = await atOnce(most, () => client.read(`${api}/cached`).then(Boolean, () => false))
    tell({ round: 0, contestant, metric: 'lost', value: answers.filter((answer) => answer === false).length })
  }
}
