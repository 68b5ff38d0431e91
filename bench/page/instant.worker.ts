import { oauth } from 'lingpai/oauth'
import { memoryStore, serve } from 'lingpai/worker'

// Answers one URL at once, so that ten thousand calls measure the broker and not the browser's network, which rejects that
// many simultaneous requests. All other requests, also the refresh, use the real fetch.
const realFetch = globalThis.fetch
const body = JSON.stringify({ text: 'x'.repeat(1013) })
let latest = ''
let refused = ''

globalThis.fetch = async (input, init) => {
  const request = new Request(input, init)
  if (!request.url.endsWith('/instant')) return realFetch(input, init)
  latest = request.headers.get('authorization') ?? ''
  const isRefused = latest === refused
  return new Response(isRefused ? '{}' : body, {
    status: isRefused ? 401 : 200,
    headers: { 'content-type': 'application/json' },
  })
}

new BroadcastChannel('refuse').addEventListener('message', () => {
  refused = latest
})

serve({
  grant: oauth({ issuer: __ISSUER__, clientId: 'bench' }),
  apis: [{ origin: __API__ }],
  store: memoryStore(),
  adopt: true,
})
