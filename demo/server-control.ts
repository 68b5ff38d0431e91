/** What the servers counted themselves since they started. Nothing sets it back: look at differences. */
export interface Counters {
  readonly authorizationServer: {
    /** Requests as they arrived, whatever became of them. */
    readonly tokenRequests: { readonly authorization_code: number; readonly refresh_token: number }
    /** Spent refresh tokens that were presented again. */
    readonly reuseDetections: number
    readonly revocations: number
    /** Correct passwords; a sign-in by a session that the provider still had is none. */
    readonly signIns: number
    /** The provider's own sessions that ended. */
    readonly endSessions: number
  }
  readonly api: {
    /** Requests as they arrived, without preflights. */
    readonly received: number
    readonly answered: number
    /** The 401s among those answered. */
    readonly unauthorized: number
  }
}

/** What the servers do at present. */
export interface Settings {
  readonly accessTokenSeconds: number
  readonly refreshDelayMilliseconds: number
  readonly rotation: boolean
  readonly reuseGraceSeconds: number
  readonly apiDenial: boolean
  readonly offline: boolean
}

/**
 * `503` and `429` (with Retry-After: 3) come without the refresh being processed, and so does `invalid_grant`, which
 * spends no token; `hang` has no answer until `reset`; `lost` is processed, and its connection breaks before the answer.
 */
export type RefreshFault = '503' | '429' | 'invalid_grant' | 'hang' | 'lost'

/** Each rejects with the server's own words where it refuses. */
export interface ServerControl {
  /** For access tokens from now on. A whole number from 1. */
  setAccessTokenSeconds(seconds: number): Promise<void>
  /** Every refresh from now on waits so long before it is processed. From 0 to 600,000. */
  setRefreshDelay(milliseconds: number): Promise<void>
  /** Every refresh gives a new refresh token and spends the old one. */
  setRotation(isOn: boolean): Promise<void>
  /** For how long a spent refresh token is rotated once more instead of ending the session. */
  setReuseGrace(seconds: number): Promise<void>
  /** Every access token so far is refused from now on. Neither the page nor the worker is told. */
  expireAccessTokens(): Promise<void>
  /** Refresh tokens too: the next refresh ends the session. */
  revokeEverything(): Promise<void>
  /** Each of the next refreshes that arrive takes one; default one. */
  failNextRefreshes(fault: RefreshFault, count?: number): Promise<void>
  /** Drops the failures that no refresh has taken yet; what hangs goes on hanging. */
  stopFailingRefreshes(): Promise<void>
  /** The API answers 401 to every token. */
  setApiDenial(isOn: boolean): Promise<void>
  /** Both servers drop every connection, and each new one. */
  goOffline(isOn: boolean): Promise<void>
  /** Every setting as at the start; no failures; what hangs is let go. Sessions and counters stay. */
  reset(): Promise<void>
  readCounters(): Promise<Counters>
  readSettings(): Promise<Settings>
}

/** The names that vite.config.ts gives to its pairs of a provider and an API. */
export type ServerPair = 'main' | 'hand-written' | 'lingpai'

const faults: Readonly<Record<RefreshFault, object>> = {
  '503': { kind: 'answer', status: 503 },
  '429': { kind: 'answer', status: 429, headers: { 'Retry-After': '3' } },
  invalid_grant: { kind: 'answer', status: 400, body: '{"error":"invalid_grant"}' },
  hang: { kind: 'hang' },
  // Midway: where no byte of an answer has come, Chromium sends the request once more by itself.
  lost: { kind: 'lose', midway: true },
}

/** Asks the page's own server, which also answers where the provider and the API are cut off. */
export function controlServers(pair: ServerPair): ServerControl {
  const command = async (name: string, input?: unknown): Promise<void> => {
    await ask(`/pairs/${pair}/${name}`, {
      method: 'POST',
      ...(input !== undefined && { body: JSON.stringify(input) }),
    })
  }
  const read = async <T>(name: string): Promise<T> => (await ask(`/pairs/${pair}/${name}`)).json() as Promise<T>

  return {
    setAccessTokenSeconds: (seconds) => command('access-token-seconds', { seconds }),
    setRefreshDelay: (milliseconds) => command('refresh-delay', { milliseconds }),
    setRotation: (isOn) => command('rotation', { isOn }),
    setReuseGrace: (seconds) => command('reuse-grace', { seconds }),
    expireAccessTokens: () => command('expire-access-tokens'),
    revokeEverything: () => command('revoke-everything'),
    failNextRefreshes: (fault, count = 1) => command('fail-refreshes', Array(count).fill(faults[fault])),
    stopFailingRefreshes: () => command('stop-faults'),
    setApiDenial: (isOn) => command('api-denial', { isOn }),
    goOffline: (isOn) => command('offline', { isOn }),
    reset: () => command('reset'),
    readCounters: () => read('counters'),
    readSettings: () => read('settings'),
  }
}

async function ask(path: string, init?: RequestInit): Promise<Response> {
  const response = await fetch(path, init)
  if (response.ok) return response
  const { error } = (await response.json().catch(() => ({}))) as { error?: unknown }
  throw new Error(`The server answered ${response.status} to ${path}${error === undefined ? '' : `: ${error}`}.`)
}
