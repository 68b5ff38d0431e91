import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { connect, type Session } from '../../src/index.ts'
import { createStream, errorOf, sha256 } from '../fixtures/streams.ts'
import { HOSTS, hostOf, settingsOf } from '../fixtures/workers.ts'

const api = inject('steadyOrigin')
// An inline broker runs in the page's own realm, so the page can read its tokens.
const hosts = HOSTS.filter((host) => host !== 'inline')
const sessions = {} as Record<string, Session>
const tokens = {} as Record<string, string>

beforeAll(async () => {
  for (const host of hosts) {
    const session = connect(hostOf(host, settingsOf({ apiOrigin: api, exposeAccessToken: true }))) as Session
    await session.signIn({ account: 'alice' })
    sessions[host] = session
    tokens[host] = await session.getAccessToken()
  }
})
afterAll(() => {
  for (const session of Object.values(sessions)) session.close()
})

type Notes = (...values: unknown[]) => void

/** Replaces a method or an accessor, and notes its arguments and results. */
function wrap(owner: object, name: PropertyKey, note: Notes): () => void {
  const descriptor = Object.getOwnPropertyDescriptor(owner, name) as PropertyDescriptor
  const kind = descriptor.get ? 'get' : 'value'
  const native = descriptor[kind]
  const wrapped = function (this: unknown, ...given: unknown[]) {
    const result = Reflect.apply(native, this, given)
    note(this, given, result)
    return result
  }
  Object.defineProperty(owner, name, { ...descriptor, [kind]: wrapped })
  return () => Object.defineProperty(owner, name, descriptor)
}

function define(owner: object, properties: Record<string, PropertyDescriptor>): () => void {
  for (const [name, descriptor] of Object.entries(properties))
    Object.defineProperty(owner, name, { ...descriptor, configurable: true })
  return () => {
    for (const name of Object.keys(properties)) delete (owner as Record<string, unknown>)[name]
  }
}

/** Returns undefined and lets each object define its own property, so that it notes only reads and writes. */
function spyingAccessors(names: readonly string[], note: Notes): Record<string, PropertyDescriptor> {
  const entries = names.map((name) => [
    name,
    {
      get(this: unknown) {
        note(this)
      },
      set(this: object, value: unknown) {
        note(this, value)
        Object.defineProperty(this, name, { value, configurable: true, enumerable: true, writable: true })
      },
    },
  ])
  return Object.fromEntries(entries)
}

const FIELDS = 'then transfer body form lingpai id instance snapshot code status token accessToken url progress'
const all = (...undo: (() => void)[]) => {
  return () => {
    for (const step of undo.reverse()) step()
  }
}

const patches: Record<string, (note: Notes) => () => void> = {
  'accessors on Object.prototype': (note) => define(Object.prototype, spyingAccessors(FIELDS.split(' '), note)),
  'values on Object.prototype': () =>
    define(
      Object.prototype,
      Object.fromEntries(
        ['lingpai', 'transfer', 'form', 'progress', 'instance', 'then', 'stream'].map((name) => [
          name,
          { value: 'snapshot', writable: true },
        ]),
      ),
    ),
  fetch: (note) => wrap(globalThis, 'fetch', note),
  'Request.prototype': (note) =>
    all(
      ...['url', 'headers', 'body', 'blob', 'arrayBuffer', 'signal'].map((name) =>
        wrapIn(Request.prototype, name, note),
      ),
    ),
  'Body methods of Response': (note) =>
    all(...['json', 'text', 'arrayBuffer', 'clone'].map((name) => wrapIn(Response.prototype, name, note))),
  'the iterator of arrays': (note) => wrap(Array.prototype, Symbol.iterator, note),
  'Promise.prototype.then': (note) => wrap(Promise.prototype, 'then', note),
  'MessagePort.prototype.postMessage': (note) =>
    all(wrap(MessagePort.prototype, 'postMessage', note), wrap(Worker.prototype, 'postMessage', note)),
  'messages as they come': (note) => wrap(MessageEvent.prototype, 'data', note),
  'JSON and Map': (note) =>
    all(wrap(JSON, 'parse', note), wrap(Map.prototype, 'get', note), wrap(Map.prototype, 'set', note)),
}

function wrapIn(owner: object, name: string, note: Notes): () => void {
  return owner instanceof Object && Object.hasOwn(owner, name) ? wrap(owner, name, note) : () => {}
}

/** All text in a value, bytes included. */
function textOf(value: unknown, depth = 4): string {
  if (value instanceof ArrayBuffer) return new TextDecoder('latin1').decode(value)
  if (ArrayBuffer.isView(value)) return new TextDecoder('latin1').decode(value)
  if (typeof value !== 'object' || value === null) return String(value)
  if (depth === 0) return ''
  const own = Object.entries(Object.getOwnPropertyDescriptors(value))
  const parts = own.map(([name, { value: part }]) => `${name} ${textOf(part, depth - 1)}`)
  return [value instanceof Error ? value.message : '', ...parts].join(' ')
}

test.each(hosts.flatMap((host) => Object.keys(patches).map((what) => [host, what] as const)))(
  'on %s, a page that has patched %s neither breaks session.fetch nor sees a token (I11)',
  async (host, what) => {
    const session = sessions[host] as Session
    const denied = () => `${api}/denied-once?id=${crypto.randomUUID()}`
    const form = new FormData()
    form.set('a', 'of the form')
    const stream = createStream(api, [{ head: {} }, { write: 'first' }])
    const urls = [denied(), denied(), denied()] as const
    const seen: unknown[][] = []
    const undo = patches[what]?.((...values) => void seen.push(values)) as () => void
    let results: unknown[] = []
    let failed: unknown
    try {
      const fields = await session.fetch(urls[0], { method: 'POST', body: new URLSearchParams({ a: '1' }) })
      const sent = await session.fetch(urls[1], { method: 'POST', body: form, headers: { 'X-A': '1' } })
      const asRequest = await session.fetch(new Request(urls[2], { method: 'POST', body: 'text' }))
      const large = await session.fetch(`${api}/download?size=3000000`)
      const reflected = await errorOf(session.fetch(`${api}/echo?raw=1`))
      const controller = new AbortController()
      const open = await session.fetch(stream.url, { signal: controller.signal })
      const copy = open.clone()
      controller.abort('left')
      const ends = [await errorOf(open.text()), await errorOf(copy.text())]
      const answer = await session.request<{ subject: string }>({ url: `${api}/orders` })
      const texts = [await fields.text(), (await sent.formData()).get('a'), await asRequest.text()]
      results = [
        texts,
        await sha256(await large.arrayBuffer()),
        (reflected as { code: string }).code,
        ends,
        answer.subject,
      ]
    } catch (error) {
      failed = error
    } finally {
      undo()
    }
    expect(failed).toBeUndefined()
    const bytes = Uint8Array.from({ length: 3_000_000 }, (_none, index) => index % 251)
    expect(results).toEqual([
      ['a=1', 'of the form', 'text'],
      await sha256(bytes),
      'token_reflected',
      ['left', 'left'],
      'alice',
    ])
    if (what === 'fetch') expect(seen).toEqual([])
    const text = seen.map((values) => textOf(values)).join('\n')
    expect(text.includes(tokens[host] as string)).toBe(false)
  },
)

test('the notes would contain a token that reached the page', async () => {
  const seen: unknown[][] = []
  const undo = patches['messages as they come']?.((...values) => void seen.push(values)) as () => void
  const token = (await sessions[hosts[0] as string]?.getAccessToken()) as string
  undo()
  expect(seen.map((values) => textOf(values)).join('\n')).toContain(token)
})
