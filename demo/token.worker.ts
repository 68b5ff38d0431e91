// Imported first, because it replaces the clock that the other modules read.

import { apiOrigin, issuer } from 'virtual:servers'
import { oauth } from 'lingpai/oauth'
import { indexedDBStore, serve } from 'lingpai/worker'
import { signInParameters } from './worker-under-control.ts'

serve({
  grant: oauth({
    issuer,
    clientId: 'web',
    redirectUri: '/callback.html',
    scope: 'openid profile email',
    parameters: signInParameters,
  }),
  apis: [{ origin: apiOrigin }],
  store: indexedDBStore(),
})
