import type { Connection } from '../connect/connection.ts'
import type { HostCandidate, HostPort } from '../connect/host.ts'
import { pause, type Timers } from '../connect/timers.ts'
import type { Welcome } from '../protocol/handshake.ts'

/** A worker that has not answered hello by then counts as blocked. In milliseconds. */
const HELLO_TIMEOUT = 5000

/**
 * Says hello and waits for the answer. Resolves with undefined if the page must say hello again over a new port.
 *
 * A silent worker is never replaced while it may live: two brokers would serve one session. A new port to a SharedWorker
 * leads to the same worker, and works if another tab has blocked the first port.
 */
export async function sayHello(
  connection: Connection,
  { started, failure }: HostPort,
  onSilence: HostCandidate['onSilence'],
  onBlocked: () => void,
  timers: Timers,
): Promise<Welcome | undefined> {
  const hello = connection.hello()
  await Promise.race([started, hello, failure])
  do {
    const welcome = await Promise.race([hello, failure, pause(HELLO_TIMEOUT, timers)])
    if (welcome !== undefined) return welcome
    onBlocked()
  } while (onSilence === 'wait')
  if (onSilence !== 'reconnect') throw new Error(onSilence.giveUp)
  return undefined
}
