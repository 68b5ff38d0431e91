import { control } from '../control.ts'

/** Tokens in `localStorage`, as in the peers' examples. All tabs share them. */
export const storedTokens = {
  get access(): string {
    return localStorage.getItem('access') ?? ''
  },

  async signIn(tab: number): Promise<void> {
    if (tab === 0) keep(await control.signIn())
    await control.meet('signed-in')
  },

  /** A refresh (RFC 6749 §6), as an app with these peers must implement it. */
  async refresh(): Promise<void> {
    const response = await fetch(`${__ISSUER__}/oauth/token`, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'refresh_token',
        client_id: 'bench',
        refresh_token: localStorage.getItem('refresh') ?? '',
      }),
    })
    if (!response.ok) throw new Error(`the refresh failed: ${response.status}`)
    const { access_token, refresh_token } = await response.json()
    keep({ accessToken: access_token, refreshToken: refresh_token })
  },
}

function keep({ accessToken, refreshToken }: { accessToken: string; refreshToken: string }): void {
  localStorage.setItem('access', accessToken)
  localStorage.setItem('refresh', refreshToken)
}
