import type { Client } from '../clients/client.ts'
import { type Contestant, createClient } from '../clients/index.ts'
import { control } from '../control.ts'
import { middleMean, orderOfRound } from '../interleave.ts'
import { atOnce, time } from '../measure.ts'
import type { PageCase } from '../page-case.ts'

/** Calls for one kilobyte of JSON: one after another, and a hundred at once. */
export const latency: PageCase = async ({ options, api, tab }, tell) => {
  const { rounds, contestants, calls } = options as { rounds: number; contestants: Contestant[]; calls: number }
  const clients = new Map<Contestant, Client>()
  // The peer that leaves the page for its sign-in goes first, because its redirect ends the other clients.
  const leaving = contestants.filter((contestant) => contestant === 'auth0')
  for (const contestant of new Set([...leaving, ...contestants]))
    clients.set(contestant, await createClient(contestant, tab))
  const url = `${api}/json`
  for (const client of clients.values()) await atOnce(50, () => client.read(url))
  const calling = (contestant: Contestant) => () => (clients.get(contestant) as Client).read(url)

  for (let round = 0; round < rounds; round++) {
    for (const contestant of orderOfRound(contestants, round)) {
      const call = calling(contestant)
      for (let warmUp = 0; warmUp < 2; warmUp++) await call()
      const times: number[] = []
      for (let done = 0; done < calls; done++) times.push(await time(call))
      tell({ round, contestant, metric: 'one call', value: middleMean(times) })
    }
    // A hundred calls take as long as many single calls, and vary less.
    if (round % 3 === 0) {
      for (const contestant of orderOfRound(contestants, round / 3)) {
        await calling(contestant)()
        tell({ round, contestant, metric: '100 at once', value: await time(() => atOnce(100, calling(contestant))) })
      }
    }
    await control.progress(round + 1, rounds)
  }
}
