import type { HistoryEntry } from 'lingpai'

/** The phase of a call. `received`: the worker has received it, but not handled it yet. `replayed`: sent a second time. */
export type PhaseKind = 'received' | 'waiting' | 'sent' | 'replayed'

export interface Phase {
  readonly kind: PhaseKind
  readonly from: number
}

/** One call, from the page to its end. Times are milliseconds since 1970, on the worker's clock. */
export interface CallBar {
  readonly type: 'call'
  /** Unique among all workers. */
  readonly id: string
  readonly lane: string
  /** Which row of its lane: calls of one row never overlap. */
  readonly row: number
  readonly from: number
  /** Each phase lasts until the next one begins, the last until the call ends. */
  readonly phases: readonly Phase[]
  readonly method?: string
  readonly api?: string
  /** Absent while it is in flight. `lost`: its worker was lost, and the outcome is unknown. */
  readonly end?: CallEnd
}

export interface CallEnd {
  readonly at: number
  readonly outcome: 'answered' | 'failed' | 'lost'
  readonly status?: number
  readonly code?: string
}

/** One attempt to refresh. */
export interface RefreshBar {
  readonly type: 'refresh'
  readonly id: string
  readonly from: number
  readonly reason?: string
  readonly end?: {
    readonly at: number
    readonly outcome: 'succeeded' | 'rejected' | 'refused' | 'unknown' | 'failed' | 'dropped' | 'lost'
    readonly reason?: string
    /** The pause before the next attempt. */
    readonly delay?: number
  }
}

export type MarkKind =
  | 'worker-started'
  | 'worker-lost'
  | 'signed-in'
  | 'signed-out'
  | 'sign-in-failed'
  | 'unreachable'
  | 'reachable'
  | 'store-failed'
  | 'note'

export interface Mark {
  readonly type: 'mark'
  readonly id: string
  readonly kind: MarkKind
  readonly at: number
  readonly reason?: string
}

/** The worker, or one page. A page that has reconnected gets another lane, except the page with the timeline. */
export interface Lane {
  readonly id: string
  readonly kind: 'worker' | 'page'
  /** The page's number in order of first appearance, because each worker counts from 1. */
  readonly page?: number
  /** The app's name for it. */
  readonly name?: string
  /** Other lanes with the same name, which are drawn in this lane. */
  readonly joined?: readonly string[]
  readonly own: boolean
  /** The time of its first entry. */
  readonly from: number
  /** When it left, or its worker was lost. */
  readonly until?: number
}

/** A time span of a state. */
export interface Span {
  readonly kind: 'signed-in' | 'unreachable'
  readonly from: number
  readonly until?: number
}

/** The complete contents of a drawing. Parts without changes since the last picture are the same objects. */
export interface Picture {
  readonly lanes: readonly Lane[]
  /** In order of arrival. */
  readonly calls: readonly CallBar[]
  readonly refreshes: readonly RefreshBar[]
  readonly marks: readonly Mark[]
  readonly spans: readonly Span[]
  /** The time of the first and of the last entry. */
  readonly from?: number
  readonly until?: number
}

export const WORKER_LANE = 'worker'
const OWN_LANE = 'own'

/** The maximum number of kept items. The oldest items are dropped. */
const MAX_CALLS = 6000
const MAX_OTHERS = 1000

/** The lane id of a page: the worker's id and the number of the page's connection in that worker. */
export function laneIdOf(connection: { readonly instance: string; readonly page: number }): string {
  return `${connection.instance}:page:${connection.page}`
}

/**
 * Gives lanes the app's names. Lanes with the same name become one: a page that has reconnected. Named lanes come in the
 * order of their names, before lanes without a name.
 */
export function nameLanes(lanes: readonly Lane[], nameOf: (lane: Lane) => string | undefined): readonly Lane[] {
  const named: Lane[] = []
  for (const lane of lanes) {
    const name = lane.kind === 'page' ? nameOf(lane) : undefined
    const index = name === undefined ? -1 : named.findIndex((other) => other.name === name)
    const first = named[index]
    if (first === undefined) {
      named.push(name === undefined ? lane : { ...lane, name })
      continue
    }
    const { until: _ended, ...open } = first
    const joined = [...(first.joined ?? []), lane.id]
    // The page has left only if all its connections have.
    const isGone = first.until !== undefined && lane.until !== undefined
    named[index] = { ...open, joined, ...(isGone && { until: Math.max(first.until ?? 0, lane.until ?? 0) }) }
  }
  const rank = ({ kind, name }: Lane) => (kind === 'worker' ? 0 : name === undefined ? 2 : 1)
  return named.sort(
    (one, other) =>
      rank(one) - rank(other) || (one.name ?? '').localeCompare(other.name ?? '', undefined, { numeric: true }),
  )
}

export type TimelineModel = ReturnType<typeof createModel>

/**
 * Turns entries of `session.explain()` into lanes and bars. It accepts entries in any portions, with repetitions and without
 * a beginning. The result is the same as for all entries at once.
 */
export function createModel() {
  const lanes = new Map<string, Lane>([[WORKER_LANE, { id: WORKER_LANE, kind: 'worker', own: false, from: 0 }]])
  /** The calls in each row of a lane. A free row has none. */
  const rows = new Map<string, (string | undefined)[]>()
  const places = new Map<string, number>()
  const calls: CallBar[] = []
  let forgotten = 0
  const refreshes: RefreshBar[] = []
  const marks: Mark[] = []
  const spans: Span[] = []
  const openCalls = new Set<string>()
  const seen = new Map<string, number>()
  let instance: string | undefined
  let from: number | undefined
  let until: number | undefined
  let notes = 0

  function add(entries: readonly HistoryEntry[]): void {
    for (const entry of entries) take(entry)
  }

  function take(entry: HistoryEntry): void {
    if (entry.number <= (seen.get(entry.instance) ?? 0)) return
    seen.set(entry.instance, entry.number)
    stretch(entry.at)
    if (entry.instance !== instance) changeWorker(entry)
    if ('call' in entry) takeStep(entry)
    else if ('page' in entry) takePage(entry)
    else takeEvent(entry)
  }

  function stretch(at: number): void {
    from = from === undefined ? at : Math.min(from, at)
    until = until === undefined ? at : Math.max(until, at)
  }

  /** Marks the open items of the last worker as lost, because no entry will end them. */
  function changeWorker({ instance: next, at, number }: HistoryEntry): void {
    if (instance !== undefined) {
      for (const id of [...openCalls]) endCall(id, { at, outcome: 'lost' })
      refreshes.forEach((bar, index) => {
        if (bar.end === undefined) refreshes[index] = { ...bar, end: { at: notBefore(bar.from, at), outcome: 'lost' } }
      })
      for (const lane of lanes.values()) {
        if (lane.kind === 'page' && lane.until === undefined)
          lanes.set(lane.id, { ...lane, until: notBefore(lane.from, at) })
      }
      endSpan('signed-in', at)
      endSpan('unreachable', at)
      addMark('worker-lost', at, `${next}:${number}:lost`)
    }
    instance = next
    const worker = lanes.get(WORKER_LANE)
    if (worker?.from === 0) lanes.set(WORKER_LANE, { ...worker, from: at })
  }

  function takeStep(entry: Extract<HistoryEntry, { readonly call: string }>): void {
    const id = `${entry.instance}:${entry.call}`
    const known = find(id)
    if (entry.event === 'call-answered' || entry.event === 'call-failed') {
      if (known === undefined) beginCall(id, entry, 'received')
      const { status } = entry
      endCall(id, {
        at: entry.at,
        outcome: entry.event === 'call-answered' ? 'answered' : 'failed',
        ...(status !== undefined && { status }),
        ...(entry.event === 'call-failed' && { code: entry.code }),
      })
      return
    }
    // The answer that follows ends the call.
    if (entry.event === 'call-not-replayed') return
    const kind = PHASES[entry.event]
    if (known === undefined) beginCall(id, entry, kind)
    else if (known.end === undefined && kind !== 'received') {
      const last = known.phases.at(-1)
      const at = notBefore(last?.from ?? known.from, entry.at)
      replace(known, { ...known, phases: [...known.phases, { kind, from: at }] })
    }
  }

  function beginCall(id: string, entry: Extract<HistoryEntry, { readonly call: string }>, kind: PhaseKind): void {
    const lane = laneOf(entry)
    const held = rows.get(lane) ?? []
    rows.set(lane, held)
    const free = held.indexOf(undefined)
    const row = free === -1 ? held.length : free
    held[row] = id
    openCalls.add(id)
    places.set(id, forgotten + calls.length)
    calls.push({
      type: 'call',
      id,
      lane,
      row,
      from: entry.at,
      phases: [{ kind, from: entry.at }],
      ...(entry.event === 'call-received' && entry.method !== undefined && { method: entry.method }),
      ...(entry.event === 'call-received' && entry.api !== undefined && { api: entry.api }),
    })
    if (calls.length > MAX_CALLS) forgetCalls(calls.length / 4)
  }

  function endCall(id: string, end: CallEnd): void {
    const call = find(id)
    openCalls.delete(id)
    if (call === undefined || call.end !== undefined) return
    const held = rows.get(call.lane)
    if (held?.[call.row] === id) held[call.row] = undefined
    replace(call, { ...call, end: { ...end, at: notBefore(call.phases.at(-1)?.from ?? call.from, end.at) } })
  }

  function forgetCalls(count: number): void {
    for (const { id, lane, row } of calls.splice(0, count)) {
      places.delete(id)
      openCalls.delete(id)
      const held = rows.get(lane)
      if (held?.[row] === id) held[row] = undefined
      forgotten += 1
    }
  }

  function find(id: string): CallBar | undefined {
    const place = places.get(id)
    return place === undefined ? undefined : calls[place - forgotten]
  }

  function replace(call: CallBar, next: CallBar): void {
    const place = places.get(call.id)
    if (place !== undefined) calls[place - forgotten] = next
  }

  function laneOf(entry: Extract<HistoryEntry, { readonly page: number }>): string {
    const { own = false } = entry
    const ordinal = lanes.size
    const numbered = laneIdOf(entry)
    // An existing lane keeps its place, even if it turns out to be the page with the timeline.
    const id = own && !lanes.has(numbered) ? OWN_LANE : numbered
    const lane = lanes.get(id)
    if (lane === undefined) lanes.set(id, { id, kind: 'page', page: ordinal, own, from: entry.at })
    else if (lane.until !== undefined) {
      const { until: _ended, ...open } = lane
      lanes.set(id, open)
    }
    return id
  }

  function takePage(entry: Extract<HistoryEntry, { readonly event: 'page-connected' | 'page-left' }>): void {
    const id = laneOf(entry)
    const lane = lanes.get(id)
    if (lane !== undefined && entry.event === 'page-left') {
      lanes.set(id, { ...lane, until: notBefore(lane.from, entry.at) })
    }
  }

  function takeEvent(entry: Exclude<HistoryEntry, { readonly page: number }>): void {
    const { at, event } = entry
    const id = `${entry.instance}:${entry.number}`
    const reason = 'reason' in entry ? entry.reason : undefined
    switch (event) {
      case 'refresh-started':
        keep(refreshes, { type: 'refresh', id: `${id}:refresh`, from: at, reason: entry.reason })
        return
      case 'refresh-succeeded':
        endRefresh('newest', at, { outcome: 'succeeded' })
        if (endSpan('unreachable', at)) addMark('reachable', at, id)
        return
      case 'refresh-ended': {
        const { verdict, delay } = entry
        endRefresh('newest', at, {
          outcome: verdict,
          ...(reason !== undefined && { reason }),
          ...(delay !== undefined && { delay }),
        })
        if (verdict === 'refused' || verdict === 'unknown') {
          if (beginSpan('unreachable', at)) addMark('unreachable', at, id, reason)
        } else if (endSpan('unreachable', at)) addMark('reachable', at, id)
        return
      }
      case 'late-refresh-dropped':
        endRefresh('oldest', at, { outcome: 'dropped', ...(reason !== undefined && { reason }) })
        return
      case 'started':
        startWorker(at, id)
        return
      case 'session-restored':
        startWorker(at, id, event)
        beginSpan('signed-in', at)
        return
      case 'signed-in':
        endSpan('unreachable', at)
        beginSpan('signed-in', at)
        addMark('signed-in', at, id)
        return
      case 'signed-out':
        endSpan('unreachable', at)
        endSpan('signed-in', at)
        addMark('signed-out', at, id, reason)
        return
      case 'sign-in-failed':
        addMark('sign-in-failed', at, id, reason)
        return
      case 'store-failed':
        addMark('store-failed', at, id)
        return
      default:
        // These events get no mark.
        return
    }
  }

  /** If it replaces a lost worker, one mark shows both. */
  function startWorker(at: number, id: string, reason?: string): void {
    const last = marks.at(-1)
    if (last?.kind !== 'worker-lost' || last.at !== at) addMark('worker-started', at, id, reason)
    else if (reason !== undefined) marks[marks.length - 1] = { ...last, reason }
  }

  /** At most one refresh is in flight, except those whose session has ended: they are reported as dropped. */
  function endRefresh(which: 'newest' | 'oldest', at: number, end: Omit<NonNullable<RefreshBar['end']>, 'at'>): void {
    const isOpen = (bar: RefreshBar) => bar.end === undefined
    const bar = (which === 'newest' ? [...refreshes].reverse() : refreshes).find(isOpen)
    if (bar !== undefined) refreshes[refreshes.indexOf(bar)] = { ...bar, end: { ...end, at: notBefore(bar.from, at) } }
  }

  function beginSpan(kind: Span['kind'], at: number): boolean {
    if (spans.some((span) => span.kind === kind && span.until === undefined)) return false
    keep(spans, { kind, from: at })
    return true
  }

  function endSpan(kind: Span['kind'], at: number): boolean {
    const index = spans.findIndex((span) => span.kind === kind && span.until === undefined)
    const span = spans[index]
    if (span === undefined) return false
    spans[index] = { ...span, until: notBefore(span.from, at) }
    return true
  }

  function addMark(kind: MarkKind, at: number, id: string, reason?: string): void {
    keep(marks, { type: 'mark', id: `${id}:${kind}`, kind, at, ...(reason !== undefined && { reason }) })
  }

  return {
    add,

    /** Adds the app's own mark, for example for a user's action. */
    note(at: number, text: string): void {
      stretch(at)
      addMark('note', at, `note:${++notes}`, text)
    },

    picture: (): Picture => ({
      lanes: [...lanes.values()],
      calls: [...calls],
      refreshes: [...refreshes],
      marks: [...marks],
      spans: [...spans],
      ...(from !== undefined && { from }),
      ...(until !== undefined && { until }),
    }),
  }
}

const PHASES = {
  'call-received': 'received',
  'call-waiting': 'waiting',
  'call-sent': 'sent',
  'call-replayed': 'replayed',
} as const satisfies Record<string, PhaseKind>

function keep<Item>(items: Item[], item: Item): void {
  items.push(item)
  if (items.length > MAX_OTHERS) items.splice(0, MAX_OTHERS / 4)
}

/** A bar never ends before its start, even if the clock was set back. */
function notBefore(earliest: number, at: number): number {
  return Math.max(earliest, at)
}
