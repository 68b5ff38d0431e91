import { type Contestant, createClient } from '../clients/index.ts'
import { control } from '../control.ts'
import { sleep } from '../measure.ts'
import type { PageCase } from '../page-case.ts'

const calls = 10

/** An expiry with one tab or several: the requests to the token server, and the failed calls. */
export const refresh: PageCase = async ({ options, api, tab }, tell) => {
  const { contestant, fault, longestWait } = options as {
    contestant: Contestant
    fault?: 'unavailable' | 'rejected'
    /** A call that has not ended by then counts as hanging. Longer than the pause before a retry. */
    longestWait: number
  }
  const client = await createClient(contestant, tab)
  const url = `${api}/json`
  await client.read(url)
  // The tokens live 62 seconds. One peer treats a token as expired a minute early, without a call to the API.
  await sleep(3000)
  await control.meet('ready')
  const before = await control.counters()
  if (tab === 0) {
    await control.expire()
    if (fault !== undefined) await control.fail(fault)
  }
  await control.meet('expired')

  const outcomes = await Promise.all(
    Array.from({ length: calls }, () =>
      Promise.race([
        client.read(url).then(
          () => 'answered',
          () => 'failed',
        ),
        sleep(longestWait).then(() => 'hanging'),
      ]),
    ),
  )
  const count = (outcome: string) => outcomes.filter((each) => each === outcome).length
  tell({ round: 0, contestant, metric: 'lost', value: calls - count('answered') })
  tell({ round: 0, contestant, metric: 'hanging', value: count('hanging') })
  await control.meet('called')

  if (tab === 0) {
    const after = await control.counters()
    tell({ round: 0, contestant, metric: 'refreshes', value: after.refreshes - before.refreshes })
    tell({ round: 0, contestant, metric: 'reuses', value: after.reuses - before.reuses })
  }
  await control.meet('counted')
  // Whether the tab is still signed in after the server works again.
  const isAlive = await Promise.race([
    client.read(url).then(
      () => true,
      () => false,
    ),
    sleep(longestWait).then(() => false),
  ])
  tell({ round: 0, contestant, metric: 'tabs signed out', value: isAlive ? 0 : 1 })
}
