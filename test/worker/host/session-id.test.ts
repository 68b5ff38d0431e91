import { afterEach, expect, test } from 'vitest'
import { createClient } from '../../../src/client/client.ts'
import { listHosts } from '../../../src/connect/hosts.ts'
import { inlineBroker } from '../../../src/connect/wechat.ts'
import type { Endpoint } from '../../../src/protocol/endpoint.ts'
import type { Mode } from '../../../src/protocol/snapshot.ts'
import type { Grant, Store } from '../../../worker/core/adapter.ts'
import { createBrokerServer } from '../../../worker/host/broker-server.ts'
import { createEndpointPair } from '../../../worker/host/endpoint-pair.ts'
import { serveInline } from '../../../worker/host/inline.ts'
import { createWebHost } from '../../../worker/host/web.ts'
import { serveInline as serveWechatInline } from '../../../worker/host/wechat-inline.ts'
import { createWechatServer } from '../../../worker/host/wechat-server.ts'
import { memoryStore } from '../../../worker/store/memory.ts'

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

const grant: Grant = { signIn: async () => ({ accessToken: 'access' }), refresh: async () => ({ accessToken: 'new' }) }
const apis = [{ origin: 'https://api.example' }]

function serveWeb(mode: Mode, store: Store): Endpoint {
  const [page, own] = createEndpointPair()
  const { holdLock: _lock, ...host } = createWebHost({ mode, origin: 'https://app.example' })
  createBrokerServer({ grant: grant as Grant<never>, apis, store }, host).attach(own)
  return page
}

function serveWechat(store: Store): Endpoint {
  const [page, own] = createEndpointPair()
  const server = createWechatServer({ grant: grant as Grant<never>, apis, store }, 'wechat', (message) =>
    own.postMessage(message),
  )
  own.addEventListener('message', ({ data }) => void server.handleMessage(data))
  return page
}

const appThread = {
  timers: { setTimeout, clearTimeout },
  now: Date.now,
  checks: {},
  createAppThreadServices: () => ({ table: {}, abort() {} }),
} as never

const webHosts = {
  'a SharedWorker': (store: Store) => serveWeb('shared', store),
  'a dedicated worker': (store: Store) => serveWeb('dedicated', store),
  'the calling thread': (store: Store) => serveInline({ grant, apis, store }),
}
const wechatHosts = {
  "a mini program's worker": serveWechat,
  "a mini program's app thread": (store: Store) => serveWechatInline({ grant, apis, store }),
}
const hosts = {
  ...Object.fromEntries(Object.entries(webHosts).map(([name, serve]) => [name, { serve, choose: listWeb }])),
  ...Object.fromEntries(Object.entries(wechatHosts).map(([name, serve]) => [name, { serve, choose: listWechat }])),
}

function listWeb(open: () => Endpoint) {
  return listHosts({ inline: open })
}

function listWechat(open: () => Endpoint) {
  return [inlineBroker(open, appThread)]
}

/** The session ids of two sign-ins, and the id of the worker. */
async function signInTwice({ serve, choose }: (typeof hosts)[string]): Promise<string[]> {
  const ids: string[] = []
  const memory = memoryStore()
  const store: Store = {
    load: () => memory.load(),
    clear: () => memory.clear(),
    save(session) {
      ids.push(session.sessionId)
    },
  }
  const client = createClient(choose(() => serve(store)))
  closers.push(client.close)
  const { welcome } = await client.connected()
  await client.call('signIn', [{}])
  await client.call('signOut', [false])
  await client.call('signIn', [{}])
  return [welcome.instance, ...ids]
}

test.each(Object.entries(hosts))(
  'each sign-in in %s gets a new session id, also after a restart',
  async (_name, host) => {
    const ids = [...(await signInTwice(host)), ...(await signInTwice(host))]
    expect(ids).toHaveLength(6)
    expect(new Set(ids).size).toBe(6)
  },
)
