import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isLingpaiError } from '../../../../src/protocol/errors.ts'
import type { BrokerSnapshot } from '../../../../src/protocol/snapshot.ts'
import type { Grant, GrantIO, ReceivedTokens, TokenSet } from '../../../../worker/core/adapter.ts'
import { createBroker, type SessionBroker } from '../../../../worker/core/broker/broker.ts'
import { runRequest } from '../../../../worker/core/broker/request-loop.ts'
import { failed, refused, rejected } from '../../../../worker/core/verdict.ts'
import { memoryTransactions } from '../../../../worker/store/transactions.ts'
import { createVirtualPlatform, type VirtualPlatform } from '../../../../worker/testing/virtual-platform.ts'
import { createScriptedStore, type Outcome, watch } from '../../../fixtures/broker-harness.ts'

const TOKEN_LIFE = 60_000
const DEADLINE = 30_000
/** A user who never signs in here: the server may answer a refresh with their tokens. */
const STRANGER = 'stranger'

type RefreshMode = 'succeed' | 'lose' | 'refuse' | 'break' | 'hang' | 'ignore-signal' | 'misconfigured' | 'mix-up'
type Api = 'orders' | 'stock'
type Step =
  | { readonly do: 'call'; readonly latency: number; readonly api: Api; readonly isClosed?: boolean }
  | { readonly do: 'abort'; readonly index: number }
  | { readonly do: 'refreshes'; readonly mode: RefreshMode; readonly latency: number; readonly retryAfter?: number }
  | { readonly do: 'api'; readonly api: Api; readonly refusesAll: boolean }
  | { readonly do: 'saves'; readonly latency: number }
  | {
      readonly do: 'signIn'
      readonly user: 'A' | 'B'
      readonly end: 'succeed' | 'fail' | 'hang'
      readonly latency: number
    }
  | { readonly do: 'signOut' }
  | { readonly do: 'expire' }
  | { readonly do: 'revoke' }
  | { readonly do: 'jump'; readonly milliseconds: number }
  | { readonly do: 'pass'; readonly milliseconds: number }
  | { readonly do: 'resume' }

interface Rules {
  readonly onUnknownOutcome: 'resend' | 'sign-in'
  readonly hasGrace: boolean
  readonly expiresIn: number | string | undefined
}

/** One sign-in at the authorization server, and every token that came of it. */
interface Lineage {
  readonly user: string
  current: string
  readonly successors: Map<string, ReceivedTokens>
  isRevoked: boolean
  inProgress: number
  /** Starts of the attempts since the last one that succeeded. */
  failing: number[]
  /** When its newest tokens were issued. */
  issuedAt: number
  /** Attempts to replace tokens that were new, when nothing had happened to them. */
  needless: number[]
}

function createLineage(user: string): Lineage {
  return {
    user,
    current: '',
    successors: new Map(),
    isRevoked: false,
    inProgress: 0,
    failing: [],
    issuedAt: 0,
    needless: [],
  }
}

/** An authorization server with rotation and reuse detection, and an API that checks its tokens. */
function createServer(platform: VirtualPlatform, rules: Rules, violations: string[]) {
  const lineageOf = new Map<string, Lineage>()
  const accessTokens = new Map<string, { sessionId: Lineage; expires: number }>()
  const dead = new Set<string>()
  const begunBy = new Map<unknown, Lineage>()
  let issued = 0
  let lastJump = Number.NEGATIVE_INFINITY
  let lastCause = Number.NEGATIVE_INFINITY
  let current: Lineage | undefined
  const behaviour = {
    mode: 'succeed' as RefreshMode,
    latency: 0,
    retryAfter: undefined as number | undefined,
    refusing: new Set<Api>(),
  }

  const sleep = (milliseconds: number) => new Promise<void>((resolve) => platform.setTimeout(resolve, milliseconds))

  function issue(sessionId: Lineage): ReceivedTokens {
    const number = ++issued
    const accessToken = `secret-access-${number}`
    const refreshToken = `secret-refresh-${number}`
    sessionId.current = refreshToken
    sessionId.issuedAt = platform.elapsed()
    lineageOf.set(refreshToken, sessionId)
    accessTokens.set(accessToken, { sessionId, expires: platform.elapsed() + TOKEN_LIFE })
    const { expiresIn } = rules
    return { accessToken, refreshToken, subject: sessionId.user, ...(expiresIn !== undefined && { expiresIn }) }
  }

  function rotate(sessionId: Lineage, refreshToken: string): ReceivedTokens {
    const successor = sessionId.successors.get(refreshToken)
    if (successor !== undefined && !rules.hasGrace) sessionId.isRevoked = true
    if (sessionId.isRevoked) throw rejected('invalid_grant')
    if (successor !== undefined) {
      accessTokens.set(successor.accessToken, { sessionId, expires: platform.elapsed() + TOKEN_LIFE })
      return successor
    }
    const tokens = issue(sessionId)
    sessionId.successors.set(refreshToken, tokens)
    return tokens
  }

  function end(sessionId: Lineage): void {
    if (current === sessionId) current = undefined
  }

  function noteAttempt(sessionId: Lineage, refreshToken: string): void {
    const now = platform.elapsed()
    if (sessionId.inProgress > 0) violations.push('I1: two refreshes of one session at once')
    if (dead.has(refreshToken)) violations.push('I2: a dead refresh token was sent again')
    const last = sessionId.failing.at(-1)
    const isClockTrue = last === undefined || last > lastJump
    if (last !== undefined && isClockTrue && now - last < 1000)
      violations.push('I10: two failing attempts within a second')
    sessionId.failing.push(now)
    const recent = sessionId.failing.filter((time) => now - time < 300_000)
    if (recent.length > 30) violations.push('I10: more than 30 failing attempts in 5 minutes')
    if (now - lastCause < 60_000 || now - sessionId.issuedAt >= TOKEN_LIFE * 0.8) return
    sessionId.needless.push(now)
    const count = (span: number) => sessionId.needless.filter((time) => now - time < span).length
    // The first 401 of each of the two APIs may refresh at once.
    if (count(1000) > 2) violations.push('I10: more than one needless attempt per API within a second')
    if (count(300_000) > 30) violations.push('I10: more than 30 needless attempts in 5 minutes')
  }

  async function answer(sessionId: Lineage, refreshToken: string, { signal }: GrantIO): Promise<ReceivedTokens> {
    const { mode, latency, retryAfter } = behaviour
    await sleep(latency)
    switch (mode) {
      case 'succeed':
        return rotate(sessionId, refreshToken)
      case 'lose':
        rotate(sessionId, refreshToken)
        throw new TypeError('the answer was lost')
      case 'refuse':
        throw refused(retryAfter === undefined ? {} : { retryAfter })
      case 'break':
        throw new Error('status 500')
      case 'misconfigured':
        throw failed('invalid_client')
      case 'hang':
        return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
      case 'ignore-signal':
        await sleep(45_000)
        return rotate(sessionId, refreshToken)
      case 'mix-up':
        return issue(createLineage(STRANGER))
    }
  }

  const grant: Grant = {
    async refresh({ refreshToken = '' }: TokenSet, io) {
      const sessionId = lineageOf.get(refreshToken)
      if (sessionId === undefined) throw new Error('unknown refresh token')
      noteAttempt(sessionId, refreshToken)
      sessionId.inProgress++
      let isOver = false
      const finish = () => {
        if (!isOver) sessionId.inProgress--
        isOver = true
      }
      const onTimeout = () => {
        finish()
        if (rules.onUnknownOutcome === 'sign-in') end(sessionId)
      }
      io.signal.addEventListener('abort', onTimeout)
      try {
        const tokens = await answer(sessionId, refreshToken, io)
        if (!io.signal.aborted) {
          dead.add(refreshToken)
          sessionId.failing = []
          if (tokens.subject !== sessionId.user) end(sessionId)
        }
        return tokens
      } catch (error) {
        const verdict = (error as { verdict?: string }).verdict ?? 'unknown'
        if (!io.signal.aborted && verdict === 'rejected') {
          dead.add(refreshToken)
          end(sessionId)
        }
        if (!io.signal.aborted && verdict === 'unknown' && rules.onUnknownOutcome === 'sign-in') end(sessionId)
        throw error
      } finally {
        finish()
      }
    },
    async signIn(input, io) {
      const { user, end: ending, latency } = input as Extract<Step, { do: 'signIn' }>
      await sleep(latency)
      if (ending === 'fail') throw new Error('wrong password')
      if (ending === 'hang') await new Promise((_resolve, reject) => io.signal.addEventListener('abort', reject))
      const sessionId = createLineage(user)
      begunBy.set(input, sessionId)
      return issue(sessionId)
    },
  }

  return {
    grant,
    behaviour,
    sleep,
    userOf: (accessToken: string) => accessTokens.get(accessToken)?.sessionId.user,
    accepts(accessToken: string, api: Api): boolean {
      const entry = accessTokens.get(accessToken)
      if (entry?.sessionId.user === STRANGER) violations.push("I6: another user's token was used")
      const isGood = entry !== undefined && entry.expires > platform.elapsed() && !entry.sessionId.isRevoked
      return isGood && !behaviour.refusing.has(api)
    },
    /** The sessionId that the broker must be holding, by the responses of the server. */
    current: () => current,
    begin(signIn: Step | undefined): void {
      current = signIn && begunBy.get(signIn)
    },
    /** Something has happened that may need new tokens, now or when its calls end. */
    noteCause(): void {
      lastCause = platform.elapsed()
    },
    /** A pause that is judged by the clock may end early where that jumps: this cannot be distinguished from a sleep. */
    noteJump(): void {
      lastJump = platform.elapsed()
    },
    expireAll(): void {
      for (const entry of accessTokens.values()) entry.expires = 0
    },
  }
}

class World {
  readonly violations: string[] = []
  readonly platform: VirtualPlatform
  readonly store = createScriptedStore()
  readonly server: ReturnType<typeof createServer>
  readonly broker: SessionBroker
  readonly snapshots: BrokerSnapshot[] = []
  readonly #calls: { outcome: Outcome; controller: AbortController }[] = []
  readonly #signIns: { outcome: Outcome; controller: AbortController }[] = []
  #saveLatency = 0
  #hasRefusals = false

  constructor(rules: Rules, seed: number) {
    this.platform = createVirtualPlatform(seed)
    this.server = createServer(this.platform, rules, this.violations)
    this.store.override('save', () => this.#saveLatency > 0 && this.server.sleep(this.#saveLatency))
    this.broker = createBroker({
      platform: this.platform,
      createId: () => crypto.randomUUID(),
      store: this.store,
      transactions: memoryTransactions(),
      rules: { onUnknownOutcome: rules.onUnknownOutcome },
      grant: this.server.grant,
      origin: 'https://app.example.com',
      send: () => Promise.reject(new Error('the grant of this test sends nothing')),
    })
    this.broker.subscribe((snapshot) => this.snapshots.push(snapshot))
  }

  async take(step: Step): Promise<void> {
    if (['api', 'signIn', 'signOut', 'expire', 'revoke', 'jump'].includes(step.do)) this.server.noteCause()
    if (step.do === 'api' || (step.do === 'call' && step.isClosed)) this.#hasRefusals = true
    switch (step.do) {
      case 'call':
        this.call(step.latency, step.api, step.isClosed)
        break
      case 'abort':
        this.#calls[step.index % Math.max(this.#calls.length, 1)]?.controller.abort()
        break
      case 'refreshes':
        Object.assign(this.server.behaviour, { retryAfter: undefined, ...step })
        break
      case 'api':
        if (step.refusesAll) this.server.behaviour.refusing.add(step.api)
        else this.server.behaviour.refusing.delete(step.api)
        break
      case 'saves':
        this.#saveLatency = step.latency
        break
      case 'signIn':
        this.signIn(step)
        break
      case 'signOut':
        // A store that is slow makes it reject, after the session has ended.
        this.broker.signOut(false).catch(() => {})
        this.server.begin(undefined)
        break
      case 'expire':
        this.server.expireAll()
        break
      case 'revoke': {
        const sessionId = this.server.current()
        if (sessionId !== undefined) sessionId.isRevoked = true
        break
      }
      case 'jump':
        this.platform.jumpClock(step.milliseconds)
        this.server.noteJump()
        break
      case 'pass':
        await this.platform.advance(step.milliseconds)
        break
      case 'resume':
        this.broker.resume()
        break
    }
    await this.platform.settle()
    this.check()
  }

  /** `isClosed`: at a path of the API that refuses every token. */
  call(latency: number, api: Api, isClosed = false): Outcome {
    const { server, broker, violations } = this
    const controller = new AbortController()
    const { signal } = controller
    const visible = broker.snapshot().user?.subject
    let sent = 0
    const send = async ({ tokens: { accessToken } }: { tokens: { accessToken: string } }) => {
      if (++sent > 2) violations.push('I10: a request was replayed twice')
      const user = server.userOf(accessToken)
      if (visible !== undefined && user !== visible) violations.push(`I6: a token of ${user} on a call for ${visible}`)
      await server.sleep(latency)
      if (signal.aborted) throw signal.reason
      const isAccepted = server.accepts(accessToken, api) && !isClosed
      return { answer: isAccepted ? 200 : 401, isTokenDenied: !isAccepted }
    }
    const run = async () => {
      const call = await broker.openCall(`call-${this.#calls.length}`, signal)
      call.api = api
      return runRequest(this.#timed(), call, send)
    }
    const outcome = watch(run())
    this.#calls.push({ outcome, controller })
    return outcome
  }

  signIn(step: Extract<Step, { do: 'signIn' }>): void {
    const controller = new AbortController()
    const input = { ...step }
    const signedIn = this.broker.signIn(input, controller.signal).then(() => this.server.begin(input))
    this.#signIns.push({ outcome: watch(signedIn), controller })
  }

  /** The broker, with a watch on how long it lets calls wait (I3). */
  #timed(): SessionBroker {
    const time =
      <Parameters extends unknown[], Result>(work: (...parameters: Parameters) => Promise<Result>) =>
      async (...parameters: Parameters): Promise<Result> => {
        const begun = this.platform.elapsed()
        try {
          return await work(...parameters)
        } finally {
          if (this.platform.elapsed() - begun > DEADLINE) this.violations.push('I3: a call waited past its deadline')
        }
      }
    const { authorize, reauthorize } = this.broker
    return { ...this.broker, authorize: time(authorize), reauthorize: time(reauthorize) }
  }

  check(): void {
    const snapshot = this.broker.snapshot()
    const expected = this.server.current()?.user
    if (snapshot.status !== 'signing-in' && snapshot.user?.subject !== expected) {
      this.violations.push(`I5, I7: ${snapshot.user?.subject} is signed in (${snapshot.reason}), not ${expected}`)
    }
    expect(this.violations).toEqual([])
  }

  /** Faults stop; then everything must end, and the session must work again (I3, I12). */
  async recover(): Promise<void> {
    for (const { controller } of this.#signIns) controller.abort()
    this.#saveLatency = 0
    Object.assign(this.server.behaviour, { mode: 'succeed', latency: 0, retryAfter: undefined, refusing: new Set() })
    // An API that has refused every token for some time may have a pause of up to five minutes.
    await this.platform.advance(DEADLINE + 120_000 + (this.#hasRefusals ? 180_000 : 0))
    this.check()
    for (const { outcome } of [...this.#calls, ...this.#signIns]) expect(outcome.settled, 'I3').toBe(1)

    const sessionId = this.server.current()
    const last = this.call(0, 'orders')
    await this.platform.advance(DEADLINE)
    const isOver = sessionId === undefined || sessionId.isRevoked
    if (!isOver) expect(last, 'I12').toMatchObject({ settled: 1, value: 200 })
    else if (last.value !== 200) expect(last, 'I3').toMatchObject({ settled: 1, error: { code: 'sign_in_required' } })
    this.check()
    expect(this.store.kept?.tokens.subject ?? this.broker.snapshot().user?.subject, 'I6').toBe(
      this.broker.snapshot().user?.subject,
    )
    expect(this.platform.pendingTimers(), 'no timer is left').toBe(0)
    this.#checkTexts()
  }

  #checkTexts(): void {
    const errors = this.#calls.map(({ outcome: { error } }) => error).filter((error) => error !== undefined)
    for (const error of errors) {
      if (!isLingpaiError(error) && (error as Error).name !== 'AbortError') throw error
    }
    const texts = errors.map((error) => (error as Error).message)
    expect(JSON.stringify([texts, errors, this.snapshots, this.broker.explain()]), 'I11').not.toContain('secret-')
    this.snapshots.forEach((snapshot, index) => {
      expect(snapshot).not.toEqual(this.snapshots[index + 1])
    })
  }
}

const api = fc.constantFrom<Api>('orders', 'stock')
const latency = fc.constantFrom(0, 0, 200, 5000)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('call' as const), latency, api }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('call' as const), latency, api, isClosed: fc.constant(true) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('abort' as const), index: fc.nat(20) }) },
  {
    weight: 4,
    arbitrary: fc.record(
      {
        do: fc.constant('refreshes' as const),
        mode: fc.constantFrom<RefreshMode>(
          'succeed',
          'succeed',
          'lose',
          'refuse',
          'break',
          'hang',
          'ignore-signal',
          'misconfigured',
          'mix-up',
        ),
        latency,
        retryAfter: fc.constantFrom(0, 1000, 20_000),
      },
      { requiredKeys: ['do', 'mode', 'latency'] },
    ),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('api' as const), api, refusesAll: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('saves' as const), latency: fc.constantFrom(0, 500, 5000, 15_000) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('signIn' as const),
      user: fc.constantFrom('A' as const, 'B' as const),
      end: fc.constantFrom('succeed' as const, 'succeed' as const, 'fail' as const, 'hang' as const),
      latency,
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('signOut' as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('expire' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('revoke' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('jump' as const),
      milliseconds: fc.constantFrom(3_600_000, -3_600_000, 86_400_000, -86_400_000),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('resume' as const) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('pass' as const),
      milliseconds: fc.constantFrom(1, 300, 1000, 3000, 31_000, 55_000, 400_000),
    }),
  },
)

/** An outage in which the app is left and returns, perhaps with another clock: rare if left to chance. */
const outage: fc.Arbitrary<Step[]> = fc
  .record({
    mode: fc.constantFrom<RefreshMode>('break', 'refuse'),
    before: fc.constantFrom(300, 3000, 31_000),
    jump: fc.constantFrom(0, 3_600_000, -3_600_000, -86_400_000),
  })
  .map(({ mode, before, jump }) => [
    { do: 'refreshes', mode, latency: 0 },
    { do: 'expire' },
    { do: 'call', latency: 0, api: 'orders' },
    { do: 'pass', milliseconds: before },
    { do: 'jump', milliseconds: jump },
    { do: 'resume' },
  ])

/** Calls of an open and a closed path in turns. */
const turns: fc.Arbitrary<Step[]> = fc
  .record({ api, milliseconds: fc.constantFrom(1, 300, 1000, 3000), count: fc.integer({ min: 4, max: 40 }) })
  .map(({ api, milliseconds, count }) =>
    Array.from({ length: count }, (_, index) => index).flatMap((index): Step[] => [
      { do: 'call', latency: 0, api, isClosed: index % 2 === 0 },
      { do: 'pass', milliseconds },
    ]),
  )

const rules: fc.Arbitrary<Rules> = fc.record({
  onUnknownOutcome: fc.constantFrom('resend', 'resend', 'sign-in'),
  hasGrace: fc.boolean(),
  expiresIn: fc.constantFrom(60, '60', undefined),
})

const signInOfA: Step = { do: 'signIn', user: 'A', end: 'succeed', latency: 0 }

test('whatever happens in whatever order, the invariants I1 to I3, I5 to I7, I10 to I12 hold', {
  timeout: 120_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(
      rules,
      fc.nat(),
      fc.array(
        fc.oneof(
          { weight: 20, arbitrary: step.map((one) => [one]) },
          { weight: 1, arbitrary: outage },
          { weight: 2, arbitrary: turns },
        ),
        {
          maxLength: 60,
          size: 'max',
        },
      ),
      async (rulesOfRun, seed, steps) => {
        const world = new World(rulesOfRun, seed)
        for (const next of [signInOfA, ...steps.flat()]) await world.take(next)
        await world.recover()
      },
    ),
    { numRuns: 600 },
  )
})
