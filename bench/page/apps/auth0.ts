import { Auth0Client } from '@auth0/auth0-spa-js'

export const client = new Auth0Client({
  domain: 'id.example.com',
  clientId: 'web',
  useRefreshTokens: true,
  cacheLocation: 'memory',
  authorizationParams: { redirect_uri: location.origin, scope: 'openid offline_access' },
})
client
  .getTokenSilently()
  .then((token) => fetch('https://api.example.com/orders', { headers: { Authorization: `Bearer ${token}` } }))
  .then((response) => response.json())
