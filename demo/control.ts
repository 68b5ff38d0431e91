import { apiOrigin } from 'virtual:servers'

/** What the servers counted themselves since they started. */
export interface Counters {
  readonly authorizationServer: {
    readonly tokenRequests: { readonly authorization_code: number; readonly refresh_token: number }
    readonly reuseDetections: number
  }
  readonly api: { readonly answered: number; readonly unauthorized: number }
}

export async function readCounters(): Promise<Counters> {
  return readJson<Counters>(`${apiOrigin}/control/counters`)
}

/** Every access token so far is refused from now on. Neither the page nor the worker is told. */
export async function expireAccessTokens(): Promise<void> {
  await command('expire-access-tokens')
}

export async function delayNextRefresh(milliseconds: number): Promise<void> {
  await command('fail-refreshes', [{ kind: 'delay', milliseconds }])
}

export async function refuseNextRefreshes(count: number): Promise<void> {
  await command('fail-refreshes', Array(count).fill({ kind: 'answer', status: 503 }))
}

/** Refresh tokens too: the next refresh ends the session. */
export async function revokeEverything(): Promise<void> {
  await command('revoke-everything')
}

/** The statuses that the API gave to each call of a batch, in order. */
export async function readAttempts(batch: string): Promise<Readonly<Record<string, readonly number[]>>> {
  return readJson(`/attempts?batch=${encodeURIComponent(batch)}`)
}

async function command(name: string, input?: unknown): Promise<void> {
  const body = input === undefined ? null : JSON.stringify(input)
  const response = await fetch(`${apiOrigin}/control/${name}`, { method: 'POST', body })
  if (!response.ok) throw new Error(`The server answered ${response.status} to ${name}.`)
}

async function readJson<T>(url: string): Promise<T> {
  const response = await fetch(url)
  if (!response.ok) throw new Error(`The server answered ${response.status} to ${url}.`)
  return (await response.json()) as T
}
