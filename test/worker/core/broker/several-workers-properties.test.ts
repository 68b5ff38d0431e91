import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Grant, GrantIO, ReceivedTokens, TokenSet } from '../../../../worker/core/adapter.ts'
import { refused, rejected } from '../../../../worker/core/verdict.ts'
import { type Outcome, watch } from '../../../fixtures/broker-harness.ts'
import { createSharedWorkers, type SharedWorkerHarness } from '../../../fixtures/shared-workers.ts'

const TOKEN_LIFE = 60_000
const TIMEOUT = 10_000
const DEADLINE = 30_000

type Mode = 'succeed' | 'lose' | 'refuse' | 'break' | 'hang'
type Step =
  | { readonly do: 'call'; readonly worker: number }
  | { readonly do: 'callAll' }
  | { readonly do: 'signIn'; readonly worker: number; readonly user: 'A' | 'B' }
  | { readonly do: 'signOut'; readonly worker: number }
  | { readonly do: 'kill'; readonly worker: number }
  | { readonly do: 'freeze'; readonly worker: number }
  | { readonly do: 'thaw'; readonly worker: number }
  | { readonly do: 'start' }
  | { readonly do: 'refreshes'; readonly mode: Mode; readonly latency: number }
  | { readonly do: 'revoke' }
  | { readonly do: 'forgeHint' }
  | { readonly do: 'jump'; readonly milliseconds: number }
  | { readonly do: 'pass'; readonly milliseconds: number }

interface Rules {
  readonly hasLocks: boolean
  readonly hasHints: boolean
  readonly workers: number
}

/** One sign-in at the server, and what came of it. */
interface Lineage {
  readonly user: string
  readonly order: string[]
  readonly successors: Map<string, ReceivedTokens>
  isRevoked: boolean
  /** When each attempt began, and when it was over: by its answer, or by its time. */
  readonly attempts: { begun: number; over: number; hasFailed: boolean }[]
}

class World {
  readonly violations: string[] = []
  readonly behaviour = { mode: 'succeed' as Mode, latency: 0 }
  readonly world: ReturnType<typeof createSharedWorkers>
  readonly workers: { harness: SharedWorkerHarness; isFrozen: boolean }[] = []
  readonly #lineageOf = new Map<string, Lineage>()
  readonly #calls: { outcome: Outcome; worker: SharedWorkerHarness }[] = []
  #issued = 0
  #lastJump = Number.NEGATIVE_INFINITY

  constructor(rules: Rules, seed: number) {
    this.world = createSharedWorkers({ ...rules, seed, grant: this.#createGrant() })
    for (let worker = 0; worker < rules.workers; worker += 1) this.start()
  }

  start(): void {
    if (this.workers.length < 8) this.workers.push({ harness: this.world.start(), isFrozen: false })
  }

  #issue(sessionId: Lineage): ReceivedTokens {
    const number = ++this.#issued
    const refreshToken = `refresh-${number}`
    sessionId.order.push(refreshToken)
    this.#lineageOf.set(refreshToken, sessionId)
    return { accessToken: `access-${number}`, refreshToken, subject: sessionId.user, expiresIn: TOKEN_LIFE / 1000 }
  }

  #rotate(sessionId: Lineage, refreshToken: string): ReceivedTokens {
    if (sessionId.isRevoked) throw rejected('invalid_grant')
    const tokens = sessionId.successors.get(refreshToken) ?? this.#issue(sessionId)
    sessionId.successors.set(refreshToken, tokens)
    return tokens
  }

  #createGrant(): Grant {
    const sleep = (milliseconds: number) =>
      new Promise<void>((resolve) => this.world.platform.setTimeout(resolve, milliseconds))
    return {
      refresh: async ({ refreshToken = '' }: TokenSet, { signal }: GrantIO) => {
        const sessionId = this.#lineageOf.get(refreshToken) as Lineage
        const { elapsed } = this.world.platform
        const begun = elapsed()
        this.#checkAttempt(sessionId, refreshToken, begun)
        const attempt = { begun, over: begun + TIMEOUT, hasFailed: true }
        sessionId.attempts.push(attempt)
        const { mode, latency } = this.behaviour
        const finish = () => {
          attempt.over = Math.min(attempt.over, elapsed())
        }
        await sleep(latency)
        try {
          if (mode === 'refuse') throw refused()
          if (mode === 'break') throw new Error('status 500')
          if (mode === 'hang') {
            await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
          }
          const tokens = this.#rotate(sessionId, refreshToken)
          if (mode === 'lose') throw new TypeError('the answer was lost')
          attempt.hasFailed = false
          return tokens
        } finally {
          finish()
        }
      },
      signIn: async (user) =>
        this.#issue({ user: String(user), order: [], successors: new Map(), isRevoked: false, attempts: [] }),
    }
  }

  #checkAttempt(sessionId: Lineage, refreshToken: string, now: number): void {
    const { kept } = this.world.store
    const stored = sessionId.order.indexOf(kept?.tokens.refreshToken ?? '')
    if (stored > sessionId.order.indexOf(refreshToken)) this.violations.push('I2: an old refresh token was sent')
    // A clock that jumps may end another worker's time before it is over: this cannot be distinguished from a sleep.
    if (now - this.#lastJump <= TIMEOUT + 3000) return
    if (sessionId.attempts.some(({ over }) => over > now)) this.violations.push('I1: two refreshes at once')
    const last = sessionId.attempts.at(-1)
    if (last?.hasFailed && now - last.begun < 1000) this.violations.push('I10: two failing attempts within a second')
    const recent = sessionId.attempts.filter(({ begun, hasFailed }) => hasFailed && now - begun < 300_000)
    if (recent.length > 30) this.violations.push('I10: more than 30 failing attempts in 5 minutes')
  }

  async take(step: Step): Promise<void> {
    const at = 'worker' in step ? this.workers[step.worker % this.workers.length] : undefined
    const isRunning = at?.harness.isAlive() && !at.isFrozen
    switch (step.do) {
      case 'call':
        if (isRunning) this.call(at?.harness)
        break
      case 'callAll':
        for (const { harness, isFrozen } of this.workers) if (harness.isAlive() && !isFrozen) this.call(harness)
        break
      case 'signIn':
        if (isRunning) at?.harness.signIn(step.user).catch(() => {})
        break
      case 'signOut':
        if (isRunning) at?.harness.broker.signOut(false).catch(() => {})
        break
      case 'kill':
        at?.harness.kill()
        break
      case 'freeze':
        at?.harness.freeze()
        if (at) at.isFrozen = true
        break
      case 'thaw':
        at?.harness.thaw()
        if (at) at.isFrozen = false
        break
      case 'start':
        this.start()
        break
      case 'refreshes':
        Object.assign(this.behaviour, step)
        break
      case 'revoke': {
        const sessionId = this.#current()
        if (sessionId) sessionId.isRevoked = true
        break
      }
      case 'forgeHint':
        this.world.forgeHint()
        break
      case 'jump':
        this.world.platform.jumpClock(step.milliseconds)
        this.#lastJump = this.world.platform.elapsed()
        break
      case 'pass':
        await this.world.platform.advance(step.milliseconds)
        break
    }
    await this.world.platform.settle()
    expect(this.violations).toEqual([])
  }

  #current(): Lineage | undefined {
    return this.#lineageOf.get(this.world.store.kept?.tokens.refreshToken ?? '')
  }

  call(worker: SharedWorkerHarness | undefined): Outcome {
    if (worker === undefined) return { settled: 1 }
    const visible = worker.broker.snapshot().user?.subject
    const outcome = watch(
      worker.call().then(({ tokens }) => {
        if (visible !== undefined && tokens.subject !== visible) {
          this.violations.push(`I6: a token of ${tokens.subject} on a call for ${visible}`)
        }
        return tokens.subject
      }),
    )
    this.#calls.push({ outcome, worker })
    return outcome
  }

  /** Faults stop; then all workers must be of one mind with the store, and work (I5 to I8, I12). */
  async recover(): Promise<void> {
    const { platform, store } = this.world
    Object.assign(this.behaviour, { mode: 'succeed', latency: 0 })
    for (const { harness } of this.workers) harness.thaw()
    await platform.advance(DEADLINE + 120_000)
    expect(this.violations).toEqual([])
    const alive = this.workers.map(({ harness }) => harness).filter((harness) => harness.isAlive())
    for (const { outcome, worker } of this.#calls) if (worker.isAlive()) expect(outcome.settled, 'I3').toBe(1)
    const sessionId = this.#current()
    // Without hints, a worker learns of others when it asks.
    for (const { broker } of alive) broker.checkStore()
    await platform.settle()
    const last = alive.map((worker) => this.call(worker))
    await platform.advance(DEADLINE)
    expect(this.violations).toEqual([])
    const isOver = sessionId === undefined || sessionId.isRevoked
    for (const outcome of last) {
      if (!isOver) expect(outcome, 'I7, I12').toMatchObject({ settled: 1, value: sessionId.user })
      else if (outcome.error) expect(outcome).toMatchObject({ error: { code: 'sign_in_required' } })
      expect(outcome.settled, 'I3').toBe(1)
    }
    for (const { broker } of alive) {
      expect(broker.snapshot().user?.subject, 'I5, I6').toBe(store.kept?.tokens.subject)
    }
    expect(this.world.lock.isHeld(), 'the lock is free').toBe(false)
  }

  /** A session that has not ended is still in the store (I7). */
  checkKept(hasEnded: boolean): void {
    if (!hasEnded) expect(this.world.store.kept, 'I7').toBeDefined()
  }
}

const worker = fc.nat(7)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('call' as const), worker }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('callAll' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('signIn' as const),
      worker,
      user: fc.constantFrom('A' as const, 'B' as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('signOut' as const), worker }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('kill' as const), worker }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('freeze' as const), worker }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('thaw' as const), worker }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('start' as const) }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('refreshes' as const),
      mode: fc.constantFrom<Mode>('succeed', 'succeed', 'lose', 'refuse', 'break', 'hang'),
      latency: fc.constantFrom(0, 200, 5000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('revoke' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('forgeHint' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('jump' as const),
      milliseconds: fc.constantFrom(3_600_000, -3_600_000, 86_400_000, -86_400_000),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('pass' as const),
      milliseconds: fc.constantFrom(1, 300, 1000, 3000, 13_000, 31_000, 61_000),
    }),
  },
)

const rules: fc.Arbitrary<Rules> = fc.record({
  hasLocks: fc.constantFrom(true, true, false),
  hasHints: fc.constantFrom(true, true, false),
  workers: fc.integer({ min: 1, max: 4 }),
})

const runs = Number(process.env.SHARED_SESSION_RUNS ?? 1500)

test('whatever several workers on one store do, the invariants I1 to I3, I5 to I7, I10 and I12 hold over all of them', {
  timeout: 600_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(rules, fc.nat(), fc.array(step, { maxLength: 40, size: 'max' }), async (rule, seed, steps) => {
      const world = new World(rule, seed)
      await world.take({ do: 'signIn', worker: 0, user: 'A' })
      for (const one of steps) await world.take(one)
      await world.recover()
      world.checkKept(steps.some((one) => one.do === 'signOut' || one.do === 'revoke'))
    }),
    { numRuns: runs },
  )
})
