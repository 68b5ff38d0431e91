import { floors, lingpaiHosts, mostCalls, peers, refreshScenarios } from './cases.ts'
import { stageNames } from './page/stage-names.ts'
import { pairedRatios, type Sample, type Source, type Spread, spread, sumsPerRound } from './statistics.ts'

export type Unit = '×' | 'ms' | 'MB' | 'kB' | 'of the body' | ''

/** `met` and `missed` compare the median with the target; `for comparison` has no target. */
export type Verdict = 'met' | 'missed' | 'for comparison'

/** One line of the results. */
export interface Row {
  readonly title: string
  readonly unit: Unit
  readonly spread: Spread
  readonly values: readonly number[]
  /** The maximum for the median. */
  readonly target?: number
  readonly verdict: Verdict
  /** Whether the target is within the confidence interval: another run may give another result. */
  readonly isClose: boolean
}

export interface Group {
  readonly title: string
  readonly note: string
  readonly rows: readonly Row[]
}

interface RowPlan {
  readonly title: string
  readonly unit: Unit
  readonly target?: number
  readonly of: Source
  /** With a divisor, the row is a ratio within each round; without one, it is a sum over the tabs. */
  readonly to?: Source
  readonly scale?: number
}

interface GroupPlan {
  readonly title: string
  readonly note: string
  readonly rows: readonly RowPlan[]
}

const names: Readonly<Record<string, string>> = {
  fetch: 'own fetch',
  shared: 'lingpai, SharedWorker',
  dedicated: 'lingpai, dedicated worker',
  proofs: 'lingpai, SharedWorker, with DPoP',
  'bare-shared': 'bare SharedWorker',
  'bare-dedicated': 'bare dedicated worker',
  'lean-shared': 'lean SharedWorker',
  'lean-dedicated': 'lean dedicated worker',
  auth0: 'auth0-spa-js, worker mode',
  axios: 'axios + axios-auth-refresh',
  alova: 'alova, token authentication',
}

function source(name: string, contestant: string, metric: string): Source {
  return { case: name, contestant, metric }
}

function planGroups(isQuick: boolean): GroupPlan[] {
  const most = mostCalls(isQuick)
  const toOwnFetch = (name: string, contestant: string, metric: string, target?: number): RowPlan => ({
    title: `${names[contestant]}: ${metric}`,
    unit: '×',
    of: source(name, contestant, metric),
    to: source(name, 'fetch', metric),
    ...(target !== undefined && { target }),
  })
  const ofExpiry = (contestant: string, metric: string) => source('expiry', contestant, metric)

  return [
    {
      title: '1 kB of JSON ÷ own fetch',
      note: "Time until the JSON is read, divided by that of the page's own fetch with an Authorization header in the same round. Every answer crosses origins (CORS, preflight cached). A bare worker fetches and hands the answer over, and does nothing else: what a token in a worker costs at the least. A lean worker is the same, called through Comlink with what a Request in the page has read: what is left of lingpai without its checks, its session and its protections.",
      rows: [
        toOwnFetch('latency', 'shared', 'one call', 1.15),
        toOwnFetch('latency', 'dedicated', 'one call', 1.15),
        ...[...floors, ...peers].map((other) => toOwnFetch('latency', other, 'one call')),
        toOwnFetch('latency', 'shared', '100 at once', 1.15),
        toOwnFetch('latency', 'dedicated', '100 at once', 1.15),
        ...[...floors, ...peers].map((other) => toOwnFetch('latency', other, '100 at once')),
      ],
    },
    {
      title: 'With a DPoP proof ÷ without',
      note: '1 kB of JSON, in a SharedWorker. The proof is a signature by ES256 and a digest, for each request. The API does not check it.',
      rows: ['one call', '100 at once'].map((metric) => ({
        title: metric,
        unit: '×',
        of: source('proofs', 'proofs', metric),
        to: source('proofs', 'shared', metric),
      })),
    },
    {
      title: '16 MB ÷ own fetch, until the last byte',
      note: 'Paced: the server sends one gigabit per second. Unpaced: as fast as loopback takes it.',
      rows: [
        toOwnFetch('bodies', 'shared', 'paced, streamed: total', 1.03),
        toOwnFetch('bodies', 'dedicated', 'paced, streamed: total', 1.03),
        toOwnFetch('bodies', 'shared', 'unpaced, streamed: total', 2),
        toOwnFetch('bodies', 'dedicated', 'unpaced, streamed: total', 1.2),
        toOwnFetch('bodies', 'shared', 'unpaced, arrayBuffer: total'),
        toOwnFetch('bodies', 'dedicated', 'unpaced, arrayBuffer: total'),
        ...floors.flatMap((host) =>
          ['paced, streamed: total', 'unpaced, streamed: total'].map((metric) => toOwnFetch('bodies', host, metric)),
        ),
      ],
    },
    {
      title: '16 MB ÷ own fetch, until the first byte',
      note: 'Until the page has read the first chunk of the stream. The first six are those of the stages below, of 2 MB and paced: there are many more of them, and they scatter less.',
      rows: [
        ...[...lingpaiHosts, ...floors].map((host) => ({
          ...toOwnFetch('stages', host, 'all of it'),
          title: `${names[host]}: 2 MB, paced`,
        })),
        toOwnFetch('bodies', 'shared', 'paced, streamed: first byte', 1.15),
        toOwnFetch('bodies', 'dedicated', 'paced, streamed: first byte', 1.15),
        toOwnFetch('bodies', 'shared', 'unpaced, streamed: first byte'),
        toOwnFetch('bodies', 'dedicated', 'unpaced, streamed: first byte'),
        ...floors.flatMap((host) =>
          ['paced, streamed: first byte', 'unpaced, streamed: first byte'].map((metric) =>
            toOwnFetch('bodies', host, metric),
          ),
        ),
      ],
    },
    ...(['shared', 'dedicated'] as const).map(
      (host): GroupPlan => ({
        title: `Where the time until the first byte goes, ${host === 'shared' ? 'SharedWorker' : 'dedicated worker'}`,
        note: 'Of a paced answer. Each stage of a call in lingpai’s worker in a bare one, and in a lean one; the page’s own fetch has two of them. Noting them costs time too, alike for all.',
        rows: stageNames.flatMap((metric) =>
          ['fetch', `bare-${host}`, `lean-${host}`, host].map((contestant) => ({
            title: `${metric}: ${names[contestant]}`,
            unit: 'ms',
            of: source('stages', contestant, metric),
          })),
        ),
      }),
    ),
    {
      title: 'Memory for 256 MB that are read slowly',
      note: "Growth of the browser's page and worker processes (resident set, read from /proc every 50 ms) at its peak, as a share of the body. A full copy would be 1; a quarter is the bound set here. The page collects its garbage after every 8 MB, which would else be counted.",
      rows: ['fetch', 'shared', 'dedicated'].map((contestant) => ({
        title: names[contestant] as string,
        unit: 'of the body',
        of: source('memory', contestant, 'share of the body'),
        ...(contestant !== 'fetch' && { target: 0.25 }),
      })),
    },
    {
      title: 'One call of the broker ÷ one postMessage and its echo',
      note: 'The smallest call there is, getAccessToken(), beside an echoed message of the same shape to a worker of the same kind. Comlink alone has no guard, no deadline, no liveness, and a method that answers at once. What a thread needs to wake up is most of an echo, and differs tenfold between runs; the work of a call does not.',
      rows: lingpaiHosts.flatMap((host): RowPlan[] => {
        const echo = source('round-trip', `${host}: postMessage`, 'one call')
        return [
          {
            title: names[host] as string,
            unit: '×',
            target: 1.3,
            of: source('round-trip', `${host}: call`, 'one call'),
            to: echo,
          },
          {
            title: `Comlink alone, ${host === 'shared' ? 'SharedWorker' : 'dedicated worker'}`,
            unit: '×',
            of: source('round-trip', `${host}: Comlink`, 'one call'),
            to: echo,
          },
          {
            title: `one postMessage and its echo, ${host === 'shared' ? 'SharedWorker' : 'dedicated worker'}`,
            unit: 'ms',
            of: echo,
          },
        ]
      }),
    },
    {
      title: `${most} calls at once`,
      note: 'SharedWorker, without the network: in this worker, fetch is replaced by one that answers at once, since Chromium refuses so many requests at a time. The refresh is real. Expired: the worker knows it by the clock, and refreshes first. Refused: the API stops taking a token that should still be good, so every call is sent twice.',
      rows: [
        {
          title: 'expired token ÷ valid token',
          unit: '×',
          target: 1.1,
          of: ofExpiry('expired', `per call, ${most}`),
          to: ofExpiry('valid', `per call, ${most}`),
        },
        {
          title: 'refused token ÷ valid token',
          unit: '×',
          of: ofExpiry('refused', `per call, ${most}`),
          to: ofExpiry('valid', `per call, ${most}`),
        },
        ...[...new Set([1000, most])].map(
          (size): RowPlan => ({
            title: `cost per call, ${size} ÷ 100 at once`,
            unit: '×',
            ...(size === most && { target: 1.2 }),
            of: ofExpiry('valid', `per call, ${size}`),
            to: ofExpiry('valid', 'per call, 100'),
          }),
        ),
      ],
    },
    {
      title: `Refreshes for ${most} calls at once`,
      note: 'Token requests that the authorization server received.',
      rows: ['expired', 'refused'].map((contestant) => ({
        title: `${contestant} token`,
        unit: '',
        target: 1,
        of: ofExpiry(contestant, `refreshes, ${most}`),
      })),
    },
    {
      title: `Calls lost, of ${most} at once with a valid token`,
      note: 'With the real network, from its cache. Chromium fails requests with ERR_INSUFFICIENT_RESOURCES where too many are pending.',
      rows: ['fetch', 'shared'].map((contestant) => ({
        title: names[contestant] as string,
        unit: '',
        of: ofExpiry(contestant, 'lost'),
      })),
    },
    ...[
      { title: 'Refreshes at one expiry', metric: 'refreshes', scenarios: [0, 1], target: 1 },
      { title: 'Calls lost, of 10 per tab', metric: 'lost', scenarios: [0, 1, 2], target: 0 },
      { title: 'Calls that never end, of 10 per tab', metric: 'hanging', scenarios: [0, 1, 2, 3], target: 0 },
      { title: 'Tabs signed out by it', metric: 'tabs signed out', scenarios: [0, 1, 2], target: 0 },
    ].map(
      ({ title, metric, scenarios, target }): GroupPlan => ({
        title,
        note: refreshNotes[metric] as string,
        rows: scenarios.flatMap((index) => {
          const { case: name, title: scenario } = refreshScenarios[index] as (typeof refreshScenarios)[number]
          return ['shared', ...peers].map((contestant) => ({
            title: `${names[contestant]}: ${scenario}`,
            unit: '' as const,
            of: source(name, contestant, metric),
            ...(contestant === 'shared' && { target }),
          }))
        }),
      }),
    ),
    {
      title: 'Bytes that a minimal app ships',
      note: 'Minified and gzipped: the library, and the few lines that sign requests in. lingpai with its worker and OAuth; the peers that leave OAuth to the app without it.',
      rows: [
        { title: 'lingpai, page', unit: 'kB', scale: 1 / 1000, target: 6, of: source('size', 'lingpai', 'bytes') },
        { title: 'lingpai, worker', unit: 'kB', scale: 1 / 1000, of: source('size', 'lingpai-worker', 'bytes') },
        ...peers.map(
          (peer): RowPlan => ({
            title: names[peer] as string,
            unit: 'kB',
            scale: 1 / 1000,
            of: source('size', peer, 'bytes'),
          }),
        ),
      ],
    },
  ]
}

const refreshNotes: Readonly<Record<string, string>> = {
  refreshes:
    'Every tab makes ten calls at once just after the tokens have expired. Refresh tokens rotate, and one used twice ends its session, as RFC 9700 §4.14.2 asks for. Every auth0-spa-js tab has a sign-in of its own. axios and alova keep their tokens in localStorage and refresh by the few lines of their documentation; what an app could add by hand, such as a Web Lock, is not there. The authorization server is the bench’s own, with the paths of Auth0’s: it issues and rotates tokens as one does, and its user has always signed in already.',
  lost: 'Calls that ended in an error or had not ended after twelve seconds (four in a quick run).',
  hanging: 'Calls that had not ended after twelve seconds (four in a quick run): neither an answer nor an error.',
  'tabs signed out': 'Tabs whose next call, after that, fails too.',
}

/** Computes the rows from the samples. Rows without samples and empty groups are omitted. */
export function evaluate(samples: readonly Sample[], isQuick: boolean): Group[] {
  return planGroups(isQuick)
    .map(({ title, note, rows }) => ({ title, note, rows: rows.flatMap((plan) => evaluateRow(samples, plan)) }))
    .filter(({ rows }) => rows.length > 0)
}

function evaluateRow(samples: readonly Sample[], { title, unit, target, of, to, scale = 1 }: RowPlan): Row[] {
  const values = to ? pairedRatios(samples, of, to) : sumsPerRound(samples, of).map((value) => value * scale)
  if (values.length === 0) return []
  const found = spread(values)
  return [
    {
      title,
      unit,
      spread: found,
      values,
      ...(target !== undefined && { target }),
      verdict: target === undefined ? 'for comparison' : found.median <= target ? 'met' : 'missed',
      isClose: target !== undefined && found.surely[0] <= target && target < found.surely[1],
    },
  ]
}
