import { apiOrigin } from 'virtual:servers'
import { isLingpaiError } from 'lingpai'
import { session } from '../session.ts'
import { type CallBar, createFeed, createModel } from '../timeline/index.ts'
import type { CallCounts } from './channel.ts'

export type CallState = 'waiting' | 'sent' | 'replayed' | 'answered' | 'lost' | 'hung'

export interface Call {
  readonly number: number
  readonly state: CallState
  /** The status or the error's code, after the call has settled. */
  readonly outcome?: string
  /** The call's story from the worker's history. */
  readonly bar?: CallBar
}

/** lingpai promises an outcome within 30 seconds. The rest is for a busy machine. */
export const hangSeconds = 35

const askInterval = 150

type OpenCall = { -readonly [Key in keyof Call]: Call[Key] } & { readonly startedAt: number }

/** Makes calls, and follows each of them through the worker's history. `onChange` is called with those that changed. */
export function createCalls(onChange: (changed: readonly Call[]) => void) {
  const made: OpenCall[] = []
  const pending = new Set<OpenCall>()
  const answered: Record<string, number> = {}
  const lost: Record<string, number> = {}
  const model = createModel()
  const readNews = createFeed(session.explain)
  /** The history numbers calls in the order in which they were made. */
  let unmatched: OpenCall[] = []
  /** Calls that the page sends again to another worker. */
  let repeated: OpenCall[] | undefined
  let instance: string | undefined
  let connection: { instance: string; page: number } | undefined
  let reading: Promise<void> | undefined
  const barOwners = new Map<string, OpenCall>()

  session.subscribe(() => {
    const { status, reason } = session.getSnapshot()
    if (status === 'connecting' && reason === 'worker_lost') repeated ??= [...pending]
  })

  async function make(call: OpenCall): Promise<void> {
    let isAnswered = false
    try {
      // Different delays, as with a real API.
      const response = await session.fetch(`${apiOrigin}/delay/${15 + ((call.number * 37) % 60)}`)
      await response.arrayBuffer()
      call.outcome = String(response.status)
      isAnswered = true
    } catch (error) {
      call.outcome = isLingpaiError(error) ? error.code : error instanceof TypeError ? 'network_error' : String(error)
    }
    const counts = isAnswered ? answered : lost
    counts[call.outcome] = (counts[call.outcome] ?? 0) + 1
    call.state = isAnswered && call.outcome.startsWith('2') ? 'answered' : 'lost'
    pending.delete(call)
    onChange([call])
    void read()
  }

  /** Reads new entries of the history, and updates the calls. */
  async function readOnce(): Promise<void> {
    const news = await readNews().catch(() => [])
    const own = news.filter((entry) => 'own' in entry && entry.own === true)
    const last = own.at(-1)
    if (last !== undefined && 'page' in last) connection = { instance: last.instance, page: last.page }
    if (!own.some((entry) => 'call' in entry)) return
    model.add(own)
    const changed: OpenCall[] = []
    for (const bar of model.picture().calls) {
      const call = barOwners.get(bar.id) ?? match(bar)
      if (call === undefined || call.bar === bar) continue
      call.bar = bar
      if (pending.has(call) && call.state !== 'hung') call.state = toState(bar)
      changed.push(call)
    }
    if (changed.length > 0) onChange(changed)
  }

  function match(bar: CallBar): OpenCall | undefined {
    const next = bar.id.slice(0, bar.id.indexOf(':'))
    if (next !== instance) {
      if (instance !== undefined && repeated !== undefined) unmatched = repeated
      repeated = undefined
      instance = next
    }
    const call = unmatched.shift()
    if (call !== undefined) barOwners.set(bar.id, call)
    return call
  }

  function read(): Promise<void> {
    reading ??= readOnce().finally(() => {
      reading = undefined
    })
    return reading
  }

  async function follow(): Promise<void> {
    const now = performance.now()
    const hanging = [...pending].filter(
      ({ state, startedAt }) => state !== 'hung' && now - startedAt > hangSeconds * 1000,
    )
    for (const call of hanging) call.state = 'hung'
    if (hanging.length > 0) onChange(hanging)
    if (pending.size > 0 || connection === undefined) await read()
    setTimeout(follow, askInterval)
  }
  void follow()

  return {
    fire(count: number): void {
      const calls = Array.from(
        { length: count },
        (_, index): OpenCall => ({ number: made.length + index + 1, state: 'waiting', startedAt: performance.now() }),
      )
      made.push(...calls)
      unmatched.push(...calls)
      repeated?.push(...calls)
      for (const call of calls) {
        pending.add(call)
        void make(call)
      }
      onChange(calls)
    },
    /** Reads the history again, so that the stories are current. */
    read,
    connection: () => connection,
    counts(): CallCounts {
      const hung = [...pending].filter(({ state }) => state === 'hung').length
      return { made: made.length, answered, lost, waiting: pending.size - hung, hung }
    },
  }
}

function toState({ phases }: CallBar): CallState {
  const kind = phases.at(-1)?.kind
  return kind === 'sent' || kind === 'replayed' ? kind : 'waiting'
}
