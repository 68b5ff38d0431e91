import { afterEach, expect, test, vi } from 'vitest'
import { type Client, createClient } from '../../../src/client/client.ts'
import { inlineBroker } from '../../../src/connect/wechat.ts'
import type { AppThreadRequest, AppThreadTable } from '../../../src/protocol/app-thread.ts'
import type { Grant, GrantIO, ReceivedTokens, TokenSet } from '../../../worker/core/adapter.ts'
import { serveInline } from '../../../worker/host/wechat-inline.ts'
import { memoryStore } from '../../../worker/store/memory.ts'
import { wechatStore } from '../../../worker/store/wechat.ts'

const clients: Client[] = []
afterEach(() => {
  for (const client of clients.splice(0)) client.close()
})

const identity = (given: readonly unknown[]) => given
const checks = {
  send: identity,
  sendTask: identity,
  awaitTask: identity,
  load: identity,
  save: identity,
  clear: identity,
  login: identity,
}
const url = 'https://api.example/'

/** A broker of a mini program, inline, whose app thread does what the test says. */
function open(
  grant: Grant,
  services: Partial<AppThreadTable> = {},
  store = memoryStore() as ReturnType<typeof wechatStore>,
) {
  const sent: AppThreadRequest[] = []
  const table = {
    async send(_call: string, request: AppThreadRequest) {
      sent.push(request)
      return { status: 200, headers: {}, body: '{}' }
    },
    ...services,
  } as AppThreadTable
  const choice = inlineBroker(
    () =>
      serveInline({ grant: grant as never, apis: [{ origin: 'https://api.example' }], store, exposeAccessToken: true }),
    {
      timers: {
        setTimeout: (callback: () => void, milliseconds: number) => setTimeout(callback, milliseconds),
        clearTimeout,
      },
      now: Date.now,
      checks,
      createAppThreadServices: () => ({ table, abort() {} }),
    } as never,
  )
  const client = createClient([choice])
  clients.push(client)
  return { client, sent }
}

/** A grant that sends two requests for a refresh, and whose tokens are always due for one. */
function refreshing(first: Partial<ReceivedTokens> = {}): Grant {
  return {
    signIn: async () => ({ accessToken: 'access', refreshToken: 'refresh', expiresIn: 0.001, ...first }),
    async refresh(_tokens, io) {
      await io.send({ url: `${url}1` })
      await io.send({ url: `${url}2`, body: 'x', headers: { 'x-a': '1' } })
      return { accessToken: 'access.new', refreshToken: 'refresh.new', expiresIn: 3600 }
    },
  }
}

const untilExpired = () => new Promise((resolve) => setTimeout(resolve, 5))

async function namesOf(first: Partial<ReceivedTokens> = {}): Promise<(string | undefined)[]> {
  const { client, sent } = open(refreshing(first))
  await client.call('signIn', [{}])
  await untilExpired()
  expect(await client.call('getAccessToken', [])).toBe('access.new')
  return sent.map(({ exchange }) => exchange)
}

test('a refresh of the same tokens names its requests the same on every worker, and each by itself (I2)', async () => {
  const [one, other] = [await namesOf(), await namesOf()]
  expect(one).toEqual(other)
  expect(new Set(one).size).toBe(2)
  for (const name of one) expect(name).toMatch(/^[\w.]{1,100}$/)
})

test('a refresh of other tokens names its requests otherwise', async () => {
  const names = [
    await namesOf(),
    await namesOf({ accessToken: 'another' }),
    await namesOf({ refreshToken: 'another' }),
    await namesOf({ accessToken: 'accessref', refreshToken: 'resh' }),
  ].flat()
  expect(new Set(names).size).toBe(8)
})

test('a refresh that leaves out its first request names the other as before, so that no answer is taken for another one', async () => {
  const both = await namesOf()
  const shortened: Grant = {
    ...refreshing(),
    async refresh(_tokens, io) {
      await io.send({ url: `${url}2` })
      return { accessToken: 'access.new', expiresIn: 3600 }
    },
  }
  const { client, sent } = open(shortened)
  await client.call('signIn', [{}])
  await untilExpired()
  await client.call('getAccessToken', [])
  expect(sent.map(({ exchange }) => exchange)).toEqual([both[1]])
})

test('no name of a request shows a token (I11)', async () => {
  expect(JSON.stringify(await namesOf({ accessToken: 'c0ffee', refreshToken: 'c0c0a' }))).not.toMatch(/c0ffee|c0c0a/)
})

test('what a refresh sends arrives as it is, with its name', async () => {
  const { client, sent } = open(refreshing())
  await client.call('signIn', [{}])
  await untilExpired()
  await client.call('getAccessToken', [])
  expect(sent).toEqual([
    { url: `${url}1`, method: 'GET', headers: [], exchange: expect.any(String) },
    { url: `${url}2`, method: 'POST', headers: [['x-a', '1']], body: 'x', exchange: expect.any(String) },
  ])
})

test('the requests of a sign-in have no name: a code or a password is never answered from memory', async () => {
  const { client, sent } = open({
    ...refreshing(),
    async signIn(_input, io) {
      await io.send({ url })
      return { accessToken: 'access' }
    },
  })
  await client.call('signIn', [{}])
  await client.call('signIn', [{}])
  expect(sent.map(({ exchange }) => exchange)).toEqual([undefined, undefined])
})

/** A grant with a state of its own, as classes have it. */
class CountingGrant implements Grant {
  #calls: string[] = []
  last = ''

  get calls(): readonly string[] {
    return this.#calls
  }

  #note(name: string): void {
    this.#calls.push(name)
    this.last = name
  }

  validate(): void {
    this.#note('validate')
  }

  async signIn(_input: unknown, _io: GrantIO): Promise<ReceivedTokens> {
    this.#note('signIn')
    return { accessToken: 'access', expiresIn: 0.001 }
  }

  async refresh(_tokens: TokenSet, _io: GrantIO): Promise<ReceivedTokens> {
    this.#note('refresh')
    return { accessToken: 'access.new', expiresIn: 3600 }
  }

  async signOut(): Promise<void> {
    this.#note('signOut')
  }
}

test('a grant that is an instance of a class keeps its this, private fields included, in every method', async () => {
  const grant = new CountingGrant()
  const { client } = open(grant)
  await client.call('signIn', [{}])
  await untilExpired()
  expect(await client.call('getAccessToken', [])).toBe('access.new')
  await client.call('signOut', [false])
  expect(grant.calls).toEqual(['validate', 'signIn', 'refresh', 'signOut'])
  expect(grant.last).toBe('signOut')
})

test('a method that a grant has not is still missing', async () => {
  const { client } = open({ refresh: refreshing().refresh })
  await expect(client.call('signIn', [{}])).rejects.toMatchObject({ code: 'invalid_call' })
  await expect(client.call('authorize', [{ via: 'redirect' }])).rejects.toMatchObject({ code: 'invalid_call' })
  expect(await client.call('signOut', [false])).toEqual({})
})

test("the session is kept in the app thread's storage, and whoever is signed in is told where that is in the clear", async () => {
  for (const isEncrypted of [true, false]) {
    const save = vi.fn(async () => ({ isEncrypted }))
    const clear = vi.fn(async () => {})
    const { client } = open(
      { ...refreshing({ expiresIn: 3600 }) },
      { load: async () => ({ isEncrypted }), save, clear },
      wechatStore({ key: 'my.session' }),
    )
    await client.call('signIn', [{}])
    expect(client.getSnapshot().reason).toBe(isEncrypted ? undefined : 'stored-unencrypted')
    expect(save).toHaveBeenCalledExactlyOnceWith('my.session', expect.stringContaining('"accessToken":"access"'))
    await client.call('signOut', [false])
    expect(clear).toHaveBeenCalledExactlyOnceWith('my.session')
  }
})

test.each(['', 'not json', '{"format":99}', '[]', 'null'])(
  'a record that is %j is no session, and breaks nothing',
  async (text) => {
    const { client } = open(
      refreshing({ expiresIn: 3600 }),
      { load: async () => ({ isEncrypted: true, text }), save: async () => ({ isEncrypted: true }) },
      wechatStore(),
    )
    expect((await client.connected()).welcome.snapshot.status).toBe('signed-out')
    await client.call('signIn', [{}])
  },
)

test('a grant gets its code for wx.login from the app thread', async () => {
  const { client } = open(
    {
      ...refreshing(),
      signIn: async (_input, io) => ({ accessToken: `access of ${await io.login?.()}`, expiresIn: 3600 }),
    },
    { login: async () => 'code' },
  )
  await client.call('signIn', [{ via: 'wx.login' }])
  expect(await client.call('getAccessToken', [])).toBe('access of code')
})

test('a sign-in whose request has not left the phone is a network_error', async () => {
  const { client } = open(
    {
      ...refreshing(),
      async signIn(_input, io) {
        await io.send({ url })
        return { accessToken: 'access' }
      },
    },
    { send: async () => ({ unsent: 'not_sent' }) },
  )
  await expect(client.call('signIn', [{}])).rejects.toMatchObject({ code: 'network_error' })
})
