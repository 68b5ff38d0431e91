import { oauth } from 'lingpai/oauth'
import { dpop } from 'lingpai/oauth/dpop'
import { memoryStore, serve } from 'lingpai/worker'

const { prove } = dpop()
const key = crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign'])

// The tokens are adopted, so they come without a key. The API takes them as Bearer tokens and ignores the proof.
serve({
  grant: {
    ...oauth({ issuer: __ISSUER__, clientId: 'bench' }),
    prove: async (tokens, request, send) => prove({ ...tokens, key: await key }, request, send),
  },
  apis: [{ origin: __API__ }],
  store: memoryStore(),
  adopt: true,
})
