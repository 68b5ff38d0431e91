/** The bench server's parameters for a page. */
export interface Plan {
  readonly case: string
  readonly tab: number
  readonly tabs: number
  readonly api: string
  readonly issuer: string
  /** The parameters of the case: rounds, sizes, clients. */
  readonly options: Readonly<Record<string, unknown>>
}

export interface Tokens {
  readonly accessToken: string
  readonly refreshToken: string
  readonly expiresIn: number
}

export interface Counters {
  readonly refreshes: number
  readonly reuses: number
}

export interface Figure {
  readonly round: number
  readonly contestant: string
  readonly metric: string
  readonly value: number
}

async function post(path: string, body: unknown): Promise<unknown> {
  const response = await fetch(`/control/${path}`, { method: 'POST', body: JSON.stringify(body) })
  if (!response.ok) throw new Error(`${path}: ${await response.text()}`)
  return response.json()
}

export const control = {
  plan: (tab: number) => post('plan', { tab }) as Promise<Plan>,
  /** A new sign-in: an access token and the first refresh token of a family. */
  signIn: () => post('sign-in', {}) as Promise<Tokens>,
  /** Makes the API reject every access token issued so far. */
  expire: () => post('expire', {}),
  /** Makes the next refreshes fail: `unavailable` once with 503, `rejected` always with `invalid_grant`. */
  fail: (how: 'unavailable' | 'rejected') => post('fail', { how }),
  counters: () => post('counters', {}) as Promise<Counters>,
  /** Resolves when every tab has arrived. */
  meet: (name: string) => post('meet', { name }),
  /** Growth of the browser's page processes since `begin`, at its peak, in bytes. */
  memory: (mark: 'begin' | 'end') => post('memory', { mark }) as Promise<{ readonly growth: number }>,
  progress: (done: number, of: number) => post('progress', { done, of }),
  report: (figures: readonly Figure[], error?: string) => post('report', { figures, error }),
}
