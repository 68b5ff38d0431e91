import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { defineConfig, type Plugin } from 'vite'
import { answerControl } from '../servers/control.ts'
import { answerJson } from '../servers/http/json.ts'
import { type Servers, startServers } from '../servers/index.ts'
import { tokensOf } from '../servers/provider/person.ts'

type ServerPair = 'main' | 'hand-written' | 'lingpai'

const pagePort = 5173
const issuerPort = Number(process.env.LINGPAI_ISSUER_PORT ?? 5183)
const apiPort = Number(process.env.LINGPAI_API_PORT ?? 5184)

const virtualModule = 'virtual:servers'
const resolvedVirtualModule = `\0${virtualModule}`

/** Each has its own provider and API, so that their counters are separate. */
type Pairs = Readonly<Record<ServerPair, Servers>>

/** Runs OpenID providers and APIs beside the page, and gives the page their addresses. */
function realServers(): Plugin {
  let tellStarted: (starting: Promise<Pairs>) => void = () => {}
  const started = new Promise<Pairs>((resolve) => {
    tellStarted = resolve
  })
  let starting: Promise<Pairs> | undefined

  return {
    name: 'real-servers',
    apply: 'serve',

    configureServer({ httpServer, config, middlewares }) {
      // The providers need the page's port, which is certain only now: Vite uses another port if its own is taken.
      // Requests of the page for these servers wait until they run.
      httpServer?.once('listening', () => {
        const { port } = httpServer.address() as AddressInfo
        starting = startBeside(`http://localhost:${port}`)
        tellStarted(starting)
        started.then(
          ({ main }) => config.logger.info(describe(port, main.authorizationServer.issuer, main.api.origin)),
          (error: Error) => config.logger.error(`The demo's servers did not start: ${error.message}`),
        )
      })

      // Here, not at the API, whose connections may be cut. (A mount at /control would take /control.ts as well.)
      middlewares.use('/pairs', (request, response, next) => {
        started.then((pairs) => answerPair(request, response, pairs)).catch(next)
      })
    },

    resolveId: (id) => (id === virtualModule ? resolvedVirtualModule : undefined),

    async load(id) {
      if (id !== resolvedVirtualModule) return undefined
      const { main, ...others } = await started
      const addresses = Object.entries(others).map(([pair, servers]) => [pair, addressesOf(servers)])
      return `export const issuer = ${JSON.stringify(addressesOf(main).issuer)}
export const apiOrigin = ${JSON.stringify(addressesOf(main).apiOrigin)}
export const versus = ${JSON.stringify(Object.fromEntries(addresses))}`
    },

    async closeBundle() {
      const pairs = await starting?.catch(() => undefined)
      await Promise.all(Object.values(pairs ?? {}).map((servers) => servers.close()))
    },
  }
}

async function startBeside(pageOrigin: string): Promise<Pairs> {
  const callbackUrl = callbackUrlOf(pageOrigin)
  const options = {
    control: true,
    accessTokenSeconds: 10,
    redirectUris: [callbackUrl],
    postLogoutRedirectUris: [`${pageOrigin}/`],
  }
  const startMain = async (): Promise<Servers> => {
    try {
      return await startServers({ ...options, ports: { authorizationServer: issuerPort, api: apiPort } })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
      return startServers(options)
    }
  }
  // Tokens do not expire on their own during a storm.
  const startOther = (): Promise<Servers> => startServers({ accessTokenSeconds: 600, redirectUris: [callbackUrl] })
  const [main, handWritten, lingpai] = await Promise.all([startMain(), startOther(), startOther()])
  return { main, 'hand-written': handWritten, lingpai }
}

/** `/pair/command`, or `/pair/tokens`: the tokens of a sign-in as alice. */
async function answerPair(request: IncomingMessage, response: ServerResponse, pairs: Pairs): Promise<void> {
  const [, pair = '', name = ''] = new URL(request.url ?? '/', 'http://localhost').pathname.split('/')
  const servers = Object.hasOwn(pairs, pair) ? pairs[pair as ServerPair] : undefined
  if (!servers) return answerJson(response, 404, { error: `expected one of ${Object.keys(pairs).join(', ')}` })
  if (name !== 'tokens' || request.method !== 'POST') return answerControl(request, response, name, servers.control)
  const pageOrigin = `http://${request.headers.host}`
  answerJson(response, 200, await tokensOf(servers.authorizationServer.issuer, callbackUrlOf(pageOrigin)))
}

function callbackUrlOf(pageOrigin: string): string {
  return `${pageOrigin}/callback.html`
}

function addressesOf({ authorizationServer, api }: Servers): { readonly issuer: string; readonly apiOrigin: string } {
  return { issuer: authorizationServer.issuer, apiOrigin: api.origin }
}

function describe(port: number, issuer: string, apiOrigin: string): string {
  return `
  The lingpai demo is ready.

  Open      http://localhost:${port}/
  Sign in   as alice or bob, the password is lingpai
  Provider  ${issuer}
  API       ${apiOrigin}
`
}

function toPath(relative: string): string {
  return fileURLToPath(new URL(relative, import.meta.url))
}

export default defineConfig({
  root: toPath('.'),
  cacheDir: toPath('../node_modules/.vite/demo'),
  server: { host: 'localhost', port: pagePort },
  resolve: {
    alias: [
      { find: /^lingpai$/, replacement: toPath('../src/index.ts') },
      { find: /^lingpai\/worker$/, replacement: toPath('../worker/index.ts') },
      { find: /^lingpai\/oauth$/, replacement: toPath('../worker/grant/oauth.ts') },
    ],
  },
  // If Vite found them later, it would reload the page during a sign-in.
  optimizeDeps: { include: ['comlink', 'idb-keyval', 'oauth4webapi'] },
  plugins: [realServers()],
})
