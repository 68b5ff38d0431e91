// First: it moves the clock that the others read.
import './worker-under-control.ts'

import { apiOrigin, issuer } from 'virtual:servers'
import { oauth } from 'lingpai/oauth'
import { indexedDBStore, serve } from 'lingpai/worker'

serve({
  grant: oauth({ issuer, clientId: 'web', redirectUri: '/callback.html', scope: 'openid profile email' }),
  apis: [{ origin: apiOrigin }],
  store: indexedDBStore(),
})
