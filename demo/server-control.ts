/** The servers' counters since their start. They are never reset, so compare differences. */
export interface Counters {
  readonly authorizationServer: {
    /** Requests at their arrival, with any outcome. */
    readonly tokenRequests: { readonly authorization_code: number; readonly refresh_token: number }
    /** Reuses of refresh tokens. */
    readonly reuseDetections: number
    readonly revocations: number
    /** Sign-ins with a correct password. A sign-in by an existing session of the provider does not count. */
    readonly signIns: number
    /** The provider's own sessions that ended. */
    readonly endSessions: number
  }
  readonly api: {
    /** Requests at their arrival, without preflights. */
    readonly received: number
    readonly answered: number
    /** The responses with 401. */
    readonly unauthorized: number
  }
}

/** The current settings of the servers. */
export interface Settings {
  readonly accessTokenSeconds: number
  readonly refreshDelayMilliseconds: number
  readonly rotation: boolean
  readonly reuseGraceSeconds: number
  readonly apiDenial: boolean
  readonly offline: boolean
}

/**
 * `503`, `429` (with Retry-After: 3) and `invalid_grant` are sent without processing, so they use no token. `hang` gets no
 * response until `reset`. `lost` is processed, but its connection breaks before the response.
 */
export type RefreshFault = '503' | '429' | 'invalid_grant' | 'hang' | 'lost'

/** Each rejects with the server's message if the server rejects the command. */
export interface ServerControl {
  /** The lifetime of new access tokens in seconds. A whole number from 1. */
  setAccessTokenSeconds(seconds: number): Promise<void>
  /** The delay before each refresh is processed, in milliseconds. From 0 to 600,000. */
  setRefreshDelay(milliseconds: number): Promise<void>
  /** Every refresh returns a new refresh token and invalidates the old one. */
  setRotation(isOn: boolean): Promise<void>
  /** The grace period in which a used refresh token is rotated again instead of ending the session. */
  setReuseGrace(seconds: number): Promise<void>
  /** Expires every access token issued so far, without informing the page or the worker. */
  expireAccessTokens(): Promise<void>
  /** Also revokes refresh tokens: the next refresh ends the session. */
  revokeEverything(): Promise<void>
  /** The next refreshes take one failure each. Default: one failure. */
  failNextRefreshes(fault: RefreshFault, count?: number): Promise<void>
  /** Drops pending failures. Hanging requests keep hanging. */
  stopFailingRefreshes(): Promise<void>
  /** The API answers 401 to every token. */
  setApiDenial(isOn: boolean): Promise<void>
  /** Makes both servers drop every connection, and each new one. */
  goOffline(isOn: boolean): Promise<void>
  /** Resets every setting, drops failures and releases hanging requests. Sessions and counters stay. */
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
  // Midway, because Chromium sends the request again on its own if no byte of the response has arrived.
  lost: { kind: 'lose', midway: true },
}

/** Calls the page's own server, which also answers while the provider and the API are offline. */
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
