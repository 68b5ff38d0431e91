import { createRandom, type Random } from './random.ts'

/** The actions that may happen at any time. The other faults affect a single request. */
export const TROUBLES = [
  'offline',
  'worker killed',
  'worker restarted silently',
  'tab closed',
  'tab crashed',
  'tab frozen',
  'back/forward cache',
  'store slow',
  'store failing',
  'store blocked',
  'store wiped',
  'clock jump',
  'sleep',
  'api denies all',
  'forged messages',
  'access revoked',
] as const

/** The kinds of fault. Each seed draws the kinds that may happen in it. */
export const FAULTS = [
  'request lost',
  'answer lost',
  'hang',
  '503',
  '429',
  '5xx',
  'garbled',
  'slow',
  ...TROUBLES,
] as const

export type Fault = (typeof FAULTS)[number]

export type Hosts = 'shared' | 'shared, two builds' | 'dedicated' | 'shared, in memory'

/** The values that a seed draws before the first event. */
export interface Plan {
  readonly seed: number
  readonly random: Random
  readonly hosts: Hosts
  readonly tabs: number
  /** Lifetime of access tokens, in seconds. Undefined: the server does not send it. */
  readonly life: number | undefined
  readonly rotates: boolean
  /** The grace period in which a used refresh token still gets its successor, in milliseconds. */
  readonly grace: number
  readonly onUnknownOutcome: 'resend' | 'sign-in'
  readonly hasLocks: boolean
  /** Whether the threads have BroadcastChannel. */
  readonly hasHints: boolean
  readonly isSignedIn: boolean
  readonly faults: ReadonlySet<Fault>
  /** The probability of a fault in an exchange with a server, until the faults end. */
  readonly intensity: number
  readonly actions: number
  /** The time span of the actions, in milliseconds. */
  readonly length: number
  /** When a later build of the app overwrites the stored session, and when it signs out. */
  readonly laterBuild: { readonly from: number; readonly to: number } | undefined
  /** Which refresh, counted from 1, the server answers with the tokens of another user. */
  readonly mixUp: number | undefined
  /** Calls of two paths of the API in turns, of which one refuses every token. */
  readonly turns: { readonly from: number; readonly pause: number; readonly count: number } | undefined
}

export function drawPlan(seed: number): Plan {
  const random = createRandom(seed)
  const isCalm = random.chance(0.04)
  const faults = isCalm ? [] : FAULTS.filter(() => random.chance(0.25))
  const plan: Omit<Plan, 'laterBuild' | 'hasHints' | 'mixUp' | 'turns'> = {
    seed,
    random,
    hosts: random.pick(['shared', 'shared', 'shared, two builds', 'dedicated', 'dedicated', 'shared, in memory']),
    tabs: 1 + random.below(3),
    life: random.pick([2, 6, 20, 60, 300, 3600, undefined]),
    rotates: random.chance(0.9),
    grace: random.pick([0, 15_000, 60_000]),
    onUnknownOutcome: random.chance(0.85) ? 'resend' : 'sign-in',
    hasLocks: random.chance(0.9),
    isSignedIn: random.chance(0.8),
    faults: new Set(faults),
    intensity: random.pick([0.1, 0.3, 0.6]),
    actions: 6 + random.below(14),
    length: random.pick([200, 3000, 20_000, 90_000]),
  }
  // A separate random source, so that every other seed draws the same values as before this feature.
  const { next, chance, pick, below } = createRandom(~seed)
  const hasLaterBuild = plan.hosts !== 'shared, in memory' && chance(0.04)
  const from = next() * plan.length
  const laterBuild = hasLaterBuild ? { from, to: from + next() * plan.length } : undefined
  const hasHints = hasLaterBuild || !chance(0.04)
  const mixUp = chance(0.04) ? 1 + below(3) : undefined
  const turns = chance(0.1)
    ? { from: next() * plan.length, pause: pick([20, 150, 400, 2000]), count: 5 + below(40) }
    : undefined
  return { ...plan, laterBuild, hasHints, mixUp, turns }
}

export function describePlan({ seed, hosts, tabs, life, rotates, grace, ...plan }: Plan): string {
  return [
    `seed ${seed}: ${tabs} tab${tabs > 1 ? 's' : ''}, ${hosts}; tokens live ${life === undefined ? 'for an unknown time' : `${life} s`}`,
    rotates ? `rotated with a grace of ${grace / 1000} s` : 'not rotated',
    `unknown outcomes: ${plan.onUnknownOutcome}; ${plan.hasLocks ? 'with' : 'without'} Web Locks${plan.hasHints ? '' : ', without BroadcastChannel'}`,
    `faults: ${[...plan.faults, ...(plan.laterBuild ? ['later build'] : []), ...(plan.mixUp ? ['mix-up of users'] : [])].join(', ') || 'none'}`,
    ...(plan.turns ? ['one path of the API refuses every token'] : []),
  ].join('; ')
}
