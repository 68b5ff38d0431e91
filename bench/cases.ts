/** One launch of the browser. */
export interface Launch {
  readonly options: Readonly<Record<string, unknown>>
  readonly tabs?: number
  /** Lifetime of access tokens until the first expiry, in seconds. */
  readonly firstLife?: number
  /** Further parameters of the browser. */
  readonly flags?: readonly string[]
  /** The name in the results, if several cases use one page case. */
  readonly case?: string
}

export interface BenchCase {
  readonly name: string
  /** The description for the progress line. */
  readonly title: string
  /** Whether its launches may run in parallel, because it only counts and does not measure time. */
  readonly isCounted?: true
  readonly page?: string
  launches(isQuick: boolean): readonly Launch[]
}

const megabyte = 1024 * 1024
export const bodySize = 16 * megabyte
export const memorySize = 256 * megabyte

export const lingpaiHosts = ['shared', 'dedicated'] as const
/** The platform's minimum: only a fetch in a worker. And the same through Comlink, with a `Request` in the page. */
export const floors = ['bare-shared', 'bare-dedicated', 'lean-shared', 'lean-dedicated'] as const
export const peers = ['auth0', 'axios', 'alova'] as const

export function mostCalls(isQuick: boolean): number {
  return isQuick ? 1000 : 10_000
}

/** Counting cases: an expiry with one tab and five, and with a token server that fails. */
export const refreshScenarios = [
  { case: 'refresh, 1 tab', title: '1 tab', tabs: 1 },
  { case: 'refresh, 5 tabs', title: '5 tabs', tabs: 5 },
  { case: 'refresh unavailable', title: '1 tab, the refresh answered by 503 once', tabs: 1, fault: 'unavailable' },
  { case: 'refresh rejected', title: '1 tab, the refresh refused for good', tabs: 1, fault: 'rejected' },
] as const

export const benchCases: readonly BenchCase[] = [
  {
    name: 'latency',
    title: '1 kB of JSON, one call at a time and 100 at once',
    launches: (isQuick) =>
      repeat(isQuick ? 1 : 2, {
        options: {
          rounds: isQuick ? 4 : 30,
          calls: 10,
          contestants: ['fetch', ...lingpaiHosts, ...floors, ...peers],
        },
      }),
  },
  {
    name: 'proofs',
    title: 'a DPoP proof for each call',
    launches: (isQuick) =>
      repeat(isQuick ? 1 : 2, { options: { rounds: isQuick ? 8 : 30, calls: 10, contestants: ['shared', 'proofs'] } }),
  },
  {
    name: 'bodies',
    title: '16 MB, at one gigabit per second and as fast as it goes',
    launches: (isQuick) => repeat(isQuick ? 1 : 2, { options: { rounds: isQuick ? 2 : 9, size: bodySize } }),
  },
  {
    name: 'stages',
    title: 'where the time until the first byte goes',
    launches: (isQuick) => repeat(isQuick ? 1 : 2, { options: { rounds: isQuick ? 8 : 60, size: 2 * megabyte } }),
  },
  {
    name: 'memory',
    title: '256 MB that are read slowly',
    launches: (isQuick) =>
      (['fetch', ...lingpaiHosts] as const).flatMap((contestant) =>
        repeat(isQuick ? 1 : 2, {
          options: { contestant, size: memorySize, seconds: isQuick ? 1 : 4 },
          flags: ['--js-flags=--expose-gc'],
        }),
      ),
  },
  {
    name: 'round-trip',
    title: 'one call of the broker beside one postMessage and its echo',
    launches: (isQuick) => repeat(isQuick ? 1 : 2, { options: { rounds: isQuick ? 10 : 60, calls: 60 } }),
  },
  {
    name: 'expiry',
    title: 'calls at once on a valid token, an expired and a refused one',
    launches: (isQuick) => [
      {
        options: {
          rounds: isQuick ? 1 : 5,
          sizes: [...new Set([100, 1000, mostCalls(isQuick)])],
          most: mostCalls(isQuick),
        },
      },
    ],
  },
  {
    name: 'refresh',
    title: 'an expiry with 1 and 5 tabs, and with a token server that fails',
    isCounted: true,
    launches: (isQuick) =>
      refreshScenarios
        .filter(
          ({ tabs, ...scenario }) => !isQuick || tabs > 1 || ('fault' in scenario && scenario.fault === 'unavailable'),
        )
        .flatMap(({ tabs, ...scenario }) =>
          (['shared', ...peers] as const).flatMap((contestant) =>
            // The races of five tabs differ from run to run.
            repeat(tabs > 1 && !isQuick ? 3 : 1, {
              case: scenario.case,
              tabs,
              firstLife: 62,
              options: {
                contestant,
                longestWait: isQuick ? 4000 : 12_000,
                ...('fault' in scenario && { fault: scenario.fault }),
              },
            }),
          ),
        ),
  },
  { name: 'size', title: 'bytes that an app ships', launches: () => [] },
]

function repeat(times: number, launch: Launch): Launch[] {
  return Array.from({ length: times }, () => launch)
}
