import type { ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { defineConfig, type Plugin } from 'vite'
import { type Servers, startServers } from './server/index.ts'

const pagePort = 5173
const issuerPort = Number(process.env.LINGPAI_ISSUER_PORT ?? 5183)
const apiPort = Number(process.env.LINGPAI_API_PORT ?? 5184)

const virtualModule = 'virtual:servers'
const resolvedVirtualModule = `\0${virtualModule}`

/** Runs the OpenID provider and the API beside the page, and tells the page where they are. */
function realServers(): Plugin {
  let tellStarted: (starting: Promise<Servers>) => void = () => {}
  const started = new Promise<Servers>((resolve) => {
    tellStarted = resolve
  })
  let starting: Promise<Servers> | undefined

  return {
    name: 'real-servers',
    apply: 'serve',

    configureServer({ httpServer, config, middlewares }) {
      // Only now is the page's port known for certain, and the provider must know it: Vite takes another one when its
      // own is taken. Whatever the page needs of these servers waits for them.
      httpServer?.once('listening', () => {
        const { port } = httpServer.address() as AddressInfo
        starting = startBeside(`http://localhost:${port}`)
        tellStarted(starting)
        started.then(
          ({ authorizationServer, api }) => config.logger.info(describe(port, authorizationServer.issuer, api.origin)),
          (error: Error) => config.logger.error(`The demo's servers did not start: ${error.message}`),
        )
      })

      middlewares.use('/attempts', ({ url = '/' }, response, next) => {
        const batch = new URL(url, 'http://localhost').searchParams.get('batch')
        started.then((servers) => answerJson(response, readAttempts(servers, `${batch}.`)), next)
      })
    },

    resolveId: (id) => (id === virtualModule ? resolvedVirtualModule : undefined),

    async load(id) {
      if (id !== resolvedVirtualModule) return undefined
      const { authorizationServer, api } = await started
      return `export const issuer = ${JSON.stringify(authorizationServer.issuer)}
export const apiOrigin = ${JSON.stringify(api.origin)}`
    },

    async closeBundle() {
      const servers = await starting?.catch(() => undefined)
      await servers?.close()
    },
  }
}

async function startBeside(pageOrigin: string): Promise<Servers> {
  const options = {
    control: true,
    accessTokenSeconds: 10,
    redirectUris: [`${pageOrigin}/callback.html`],
    postLogoutRedirectUris: [`${pageOrigin}/`],
  }
  try {
    return await startServers({ ...options, ports: { authorizationServer: issuerPort, api: apiPort } })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    return startServers(options)
  }
}

/** What the API answered to each call of a batch, in order: a replayed call has two statuses. */
function readAttempts({ api }: Servers, prefix: string): Record<string, number[]> {
  const attempts: Record<string, number[]> = {}
  for (const { headers, method, status } of api.requests) {
    const call = headers['x-call']
    if (method !== 'GET' || status === undefined || typeof call !== 'string' || !call.startsWith(prefix)) continue
    const statuses = attempts[call] ?? []
    statuses.push(status)
    attempts[call] = statuses
  }
  return attempts
}

function answerJson(response: ServerResponse, value: unknown): void {
  response.setHeader('Content-Type', 'application/json')
  response.end(JSON.stringify(value))
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
  // Found later, they would make Vite reload the page in the middle of a sign-in.
  optimizeDeps: { include: ['comlink', 'idb-keyval', 'oauth4webapi'] },
  plugins: [realServers()],
})
