import { Auth0Client } from '@auth0/auth0-spa-js'
import { type Client, readGood } from './client.ts'

/**
 * Its worker mode: refresh tokens in the memory of one worker per tab. It signs in by redirect; if the page leaves for it,
 * the promise never resolves.
 */
export async function createAuth0(): Promise<Client> {
  const callback = new URL(location.href)
  for (const name of ['code', 'state']) callback.searchParams.delete(name)
  const client = new Auth0Client({
    domain: __ISSUER__,
    clientId: 'bench',
    useRefreshTokens: true,
    cacheLocation: 'memory',
    authorizationParams: { redirect_uri: callback.href, scope: 'openid offline_access' },
  })
  if (!new URLSearchParams(location.search).has('code')) {
    await client.loginWithRedirect()
    return new Promise(() => {})
  }
  await client.handleRedirectCallback()
  return {
    async read(url) {
      const token = await client.getTokenSilently()
      return readGood(await fetch(url, { headers: { Authorization: `Bearer ${token}` } }))
    },
  }
}
