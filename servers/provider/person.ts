/** Signs in at the provider as a user does, from an authorization URL to the callback URL. */
export async function signInAtProvider(url: string, account = 'alice', password = 'lingpai'): Promise<string> {
  const cookies = new Map<string, string>()
  let next = { url, form: undefined as Record<string, string> | undefined }
  for (let step = 0; step < 20; step += 1) {
    const response = await fetch(next.url, {
      redirect: 'manual',
      headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
      ...(next.form && { method: 'POST', body: new URLSearchParams(next.form) }),
    })
    await response.arrayBuffer()
    for (const cookie of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? []
      cookies.set(name, value)
    }
    const location = response.headers.get('location')
    if (location === null) {
      next = { url: next.url, form: { action: 'sign-in', account, password } }
      continue
    }
    const target = new URL(location, next.url)
    if (target.origin !== new URL(url).origin) return target.href
    next = { url: target.href, form: undefined }
  }
  throw new Error('The provider did not come back to the app within 20 steps.')
}

export interface PersonTokens {
  readonly accessToken: string
  readonly refreshToken: string
  /** In seconds. */
  readonly expiresIn: number
  readonly subject: string
}

/** Gets tokens from the provider, as an app with a registered callback page does. */
export async function tokensOf(issuer: string, callbackUrl: string, account = 'alice'): Promise<PersonTokens> {
  const verifier = 'v'.repeat(43)
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier))
  const parameters = new URLSearchParams({
    client_id: 'web',
    response_type: 'code',
    redirect_uri: callbackUrl,
    scope: 'openid profile offline_access',
    state: 'state',
    code_challenge: Buffer.from(digest).toString('base64url'),
    code_challenge_method: 'S256',
  })
  const done = await signInAtProvider(`${issuer}/auth?${parameters}`, account)
  const response = await fetch(`${issuer}/token`, {
    method: 'POST',
    body: new URLSearchParams({
      client_id: 'web',
      grant_type: 'authorization_code',
      code: new URL(done).searchParams.get('code') ?? '',
      redirect_uri: callbackUrl,
      code_verifier: verifier,
    }),
  })
  const tokens = (await response.json()) as { access_token: string; refresh_token: string; expires_in: number }
  return {
    accessToken: tokens.access_token,
    refreshToken: tokens.refresh_token,
    expiresIn: tokens.expires_in,
    subject: account,
  }
}
