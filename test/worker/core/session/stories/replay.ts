import type { StoredSession, StoredState, TokenSet } from '../../../../../worker/core/adapter.ts'
import { optional } from '../../../../../worker/core/optional-fields.ts'
import type { Effect, SessionEvent, SessionRules, TokenRequest } from '../../../../../worker/core/session/events.ts'
import { type SessionState, startSession, toSnapshot } from '../../../../../worker/core/session/state.ts'
import { transition } from '../../../../../worker/core/session/transition.ts'
import { isInState, type StoreRead, stateOf, toStoreRead } from '../../../../../worker/core/shared-record.ts'

const MINUTE = 60_000
const start = startSession(undefined)

type Fields = Readonly<Record<string, string>>
type Write = { readonly session: StoredSession | undefined; readonly replaces: StoredState | null | undefined }

interface Worker {
  readonly rules: SessionRules
  session: SessionState
  readonly waiting: Map<string, TokenRequest>
  /** The write whose end the story reports next. */
  write: Write | undefined
}

/**
 * Replays a story and returns its text with the lines that the machine gives today.
 *
 * A line `> A: event name=value` is an event of worker A. The indented lines below it are the effects, one per line, and the
 * state after them. Lines of another form are comments. The replay keeps the store, the clock and the waiting calls; the
 * story decides in which order things happen.
 */
export function replayStory(text: string): string {
  const workers = new Map<string, Worker>()
  let store: unknown
  let clock = 1_800_000_000_000
  const lines: string[] = []

  function read(): StoreRead {
    return toStoreRead(store)
  }

  /** Performs a conditional write: true, or false if the store holds another state. */
  function write({ session, replaces }: Write): boolean {
    const kept = stateOf(read())
    if (!isInState((kept ?? undefined) as Required<StoredState> | undefined, replaces)) return false
    store = session
    return true
  }

  function receive(accessToken: string, subject: string | undefined): TokenSet {
    const refreshToken = accessToken.replace('access', 'refresh')
    const times = { receivedAt: clock, expiresAt: clock + 15 * MINUTE }
    return { accessToken, refreshToken, tokenType: 'Bearer', ...times, ...optional({ subject }) }
  }

  function begin({ session = 'none', shared, unknown }: Fields, name: string): void {
    const stored: StoredSession = {
      format: 1,
      sessionId: 'session-1',
      generation: 1,
      version: 1,
      signedInAt: clock - 60 * MINUTE,
      tokens: { ...receive('access-1', 'ann'), receivedAt: clock - 15 * MINUTE, expiresAt: clock },
    }
    const fresh = { ...stored, tokens: receive('access-1', 'ann') }
    const held = session === 'none' ? undefined : session === 'fresh' ? fresh : stored
    store ??= held
    workers.set(name, {
      rules: optional({
        owner: shared && name,
        onUnknownOutcome: unknown as 'sign-in' | undefined,
      }) as SessionRules,
      session: held ? startSession(held) : start,
      waiting: new Map(),
      write: undefined,
    })
  }

  function toRequest({ session }: Worker, { call = '', deniedVersion, generation, api = 'api' }: Fields): TokenRequest {
    return {
      call,
      api,
      generation: generation === undefined ? session.generation : Number(generation),
      subject: session.held?.subject,
      signIn: session.held === undefined ? session.signIn : undefined,
      waitingSince: undefined,
      deniedVersion: deniedVersion === undefined ? undefined : Number(deniedVersion),
      mayRefresh: true,
    }
  }

  function endWrite(worker: Worker): boolean {
    if (worker.write === undefined) throw new Error('The story reports the end of a write that did not begin.')
    const isDone = write(worker.write)
    worker.write = undefined
    return isDone
  }

  function toEvent(type: string, fields: Fields, worker: Worker): SessionEvent {
    const { session } = worker
    const { tokens = '', subject = session.held?.subject, reason = 'because' } = fields
    const flight = Number(fields.flight ?? session.flights)
    const now = clock
    switch (type) {
      case 'tokenWanted':
        return { type, now, request: toRequest(worker, fields) }
      case 'replayAccepted':
        return { type, call: fields.call ?? '', api: 'api' }
      case 'refreshSucceeded':
        return { type, flight, tokens: receive(tokens, subject) }
      case 'refreshEnded': {
        const retryAfter = fields.retryAfter === undefined ? undefined : Number(fields.retryAfter)
        return { type, flight, verdict: fields.verdict as 'refused', reason, retryAfter, now, random: 0 }
      }
      case 'retryDue':
        return { type, flight, now }
      case 'saved':
        return { type, flight, stored: fields.stored === 'false' ? false : endWrite(worker) || read() }
      case 'storeRead':
        return { type, flight: fields.flight === undefined ? undefined : flight, read: read(), now }
      case 'claimWritten': {
        const outcome = (fields.outcome as 'failed' | undefined) ?? (endWrite(worker) ? 'done' : 'conflict')
        return { type, flight, outcome, now }
      }
      case 'rejectionSettled':
        return { type, flight, outcome: endWrite(worker) ? 'done' : read() }
      case 'signInStarted':
        return { type, signIn: Number(fields.signIn) }
      case 'signInSucceeded':
        return {
          type,
          signIn: Number(fields.signIn),
          tokens: receive(tokens, subject),
          sessionId: fields.sessionId ?? 'session-2',
        }
      case 'signInFailed':
        return { type, signIn: Number(fields.signIn), reason }
      case 'signedOut':
        return { type }
      case 'resumed':
        return { type, now }
      default:
        throw new Error(`Stories have no event ${type}.`)
    }
  }

  function apply(worker: Worker, event: SessionEvent, indent: string): void {
    const [next, effects] = transition(worker.session, event, worker.rules)
    worker.session = next
    if (event.type === 'tokenWanted' && !worker.waiting.has(event.request.call)) {
      worker.waiting.set(event.request.call, { ...event.request, waitingSince: next.version })
    }
    for (const effect of effects) perform(worker, effect, indent)
  }

  function perform(worker: Worker, effect: Effect, indent: string): void {
    lines.push(`${indent}${describe(effect)}`)
    if ('call' in effect) worker.waiting.delete(effect.call)
    switch (effect.do) {
      case 'wake':
        for (const request of [...worker.waiting.values()]) {
          apply(worker, { type: 'tokenWanted', now: clock, request }, `${indent}  `)
        }
        break
      case 'save':
      case 'writeClaim':
        worker.write = { session: effect.session, replaces: effect.replaces }
        break
      case 'clearRejected':
        worker.write = { session: undefined, replaces: effect.only }
        break
      case 'writeFailure':
        write(effect)
        break
      case 'clear':
        write({ session: undefined, replaces: effect.only })
        break
    }
  }

  function run(line: string): void {
    const [, name = '', type = '', rest = ''] = /^> (\w+): (\w+)(.*)$/.exec(line) ?? []
    const fields = Object.fromEntries([...rest.matchAll(/(\w+)=(\S+)/g)].map(([, key, value]) => [key, value]))
    if (name === 'clock') clock += Number(fields.ms)
    else if (name === 'store') store = { format: Number(fields.format) }
    else if (type === 'begins') begin(fields, name)
    const worker = workers.get(name)
    if (worker === undefined) return
    if (type !== 'begins') apply(worker, toEvent(type, fields, worker), '    ')
    lines.push(`    = ${describeState(worker)}`)
  }

  for (const line of text.trimEnd().split('\n')) {
    if (line.startsWith('    ')) continue
    lines.push(line)
    if (line.startsWith('> ')) run(line)
  }
  return `${lines.join('\n')}\n`
}

function describe(effect: Effect): string {
  switch (effect.do) {
    case 'permit':
      return `permit ${effect.call}: ${effect.permit.tokens.accessToken}`
    case 'refuse':
      return `refuse ${effect.call}: ${effect.code}${effect.reason === undefined ? '' : `, ${effect.reason}`}`
    case 'keepAnswer':
      return `keepAnswer ${effect.call}`
    case 'refresh':
      return `refresh ${effect.flight}: send ${effect.tokens.refreshToken}`
    case 'retryLater':
      return `retryLater ${effect.flight}: in ${effect.delay} ms`
    case 'save':
    case 'writeClaim':
    case 'writeFailure':
      return `${effect.do} ${describeRecord(effect.session)} in place of ${describeCondition(effect.replaces)}`
    case 'clear':
    case 'clearRejected':
      return `${effect.do} ${describeCondition(effect.only)}`
    case 'revoke':
      return `revoke ${effect.tokens.accessToken}`
    case 'note': {
      const { event, ...details } = effect.note
      const shown = Object.entries(details).filter(([name]) => name !== 'expiresAt')
      return ['note', event, ...shown.map(([name, value]) => `${name}=${value}`)].join(' ')
    }
    default:
      return Object.values(effect).join(' ')
  }
}

function describeRecord({ sessionId, version, marker }: StoredSession): string {
  return [`${sessionId} version ${version}`, marker && `marker ${marker.id}${marker.isOver ? ' (over)' : ''}`]
    .filter(Boolean)
    .join(' ')
}

function describeCondition(state: StoredState | null | undefined): string {
  if (state === undefined) return 'anything'
  if (state === null) return 'nothing'
  const { sessionId, version, marker } = state
  const parts = [sessionId, version !== undefined && `version ${version}`, marker !== undefined && `marker ${marker}`]
  return parts.filter(Boolean).join(' ')
}

function describeState({ session, waiting }: Worker): string {
  const { generation, version, refresh, held, signIn, failures } = session
  const { status, tokenServer, reason } = toSnapshot(session)
  const flight = 'flight' in refresh ? ` ${refresh.flight}` : ''
  const step = refresh.kind === 'claim' ? ` (${refresh.step.name})` : ''
  return [
    `${status}${held?.subject ? ` ${held.subject}` : ''}`,
    `generation ${generation}`,
    `version ${version}`,
    `${refresh.kind}${flight}${step}`,
    ...('outcomeLost' in refresh && refresh.outcomeLost ? ['outcome lost'] : []),
    ...(tokenServer === 'ok' ? [] : ['token server unreachable']),
    ...(failures === 0 ? [] : [`failures ${failures}`]),
    ...(signIn === undefined ? [] : [`sign-in ${signIn}`]),
    ...(reason === undefined ? [] : [`reason ${reason}`]),
    ...(waiting.size === 0 ? [] : [`waiting: ${[...waiting.keys()].join(' ')}`]),
  ].join(', ')
}
