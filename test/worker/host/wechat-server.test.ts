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

/** A mini program's broker, inline, with a scripted app thread. */
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

/** A grant whose tokens expire at once, and whose refresh sends two requests. */
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

test('every worker gives the requests of the same refresh the same names, and each request its own (I2)', async () => {
  const [one, other] = [await namesOf(), await namesOf()]
  expect(one).toEqual(other)
  expect(new Set(one).size).toBe(2)
  for (const name of one) expect(name).toMatch(/^[\w.]{1,100}$/)
})

test('a refresh of other tokens gives its requests other names', async () => {
  const names = [
    await namesOf(),
    await namesOf({ accessToken: 'another' }),
    await namesOf({ refreshToken: 'another' }),
    await namesOf({ accessToken: 'accessref', refreshToken: 'resh' }),
  ].flat()
  expect(new Set(names).size).toBe(8)
})

test('a refresh that skips its first request gives the second one the same name as before', async () => {
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

test('the name of a request does not contain a token (I11)', async () => {
  expect(JSON.stringify(await namesOf({ accessToken: 'c0ffee', refreshToken: 'c0c0a' }))).not.toMatch(/c0ffee|c0c0a/)
})

test('the app thread gets the requests of a refresh unchanged, with their names', async () => {
  const { client, sent } = open(refreshing())
  await client.call('signIn', [{}])
  await untilExpired()
  await client.call('getAccessToken', [])
  expect(sent).toEqual([
    { url: `${url}1`, method: 'GET', headers: [], exchange: expect.any(String) },
    { url: `${url}2`, method: 'POST', headers: [['x-a', '1']], body: 'x', exchange: expect.any(String) },
  ])
})

test('the requests of a sign-in have no name, so each one is sent', async () => {
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

/** A grant that is a class with private state. */
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

test('every method of a grant that is a class instance can use its private fields', async () => {
  const grant = new CountingGrant()
  const { client } = open(grant)
  await client.call('signIn', [{}])
  await untilExpired()
  expect(await client.call('getAccessToken', [])).toBe('access.new')
  await client.call('signOut', [false])
  expect(grant.calls).toEqual(['validate', 'signIn', 'refresh', 'signOut'])
  expect(grant.last).toBe('signOut')
})

test('a method that the grant does not have rejects', async () => {
  const { client } = open({ refresh: (refreshing() as Required<Grant>).refresh })
  await expect(client.call('signIn', [{}])).rejects.toMatchObject({ code: 'invalid_call' })
  await expect(client.call('authorize', [{ via: 'redirect' }])).rejects.toMatchObject({ code: 'invalid_call' })
  expect(await client.call('signOut', [false])).toEqual({})
})

test('the app thread stores the session, and the snapshot shows if the storage is not encrypted', async () => {
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
  'a stored record that is %j counts as no session, and the user can sign in',
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

test('a grant gets its code of wx.login from the app thread', async () => {
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

test('a sign-in whose request did not leave the phone rejects with network_error', async () => {
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
