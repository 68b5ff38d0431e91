import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { connect, isLingpaiError, type Session } from '../../src/index.ts'
import { createStream, delay, errorOf, sha256 } from '../fixtures/streams.ts'
import { HOSTS, hostOf, settingsOf, startDedicated } from '../fixtures/workers.ts'

const api = inject('steadyOrigin')
const secure = inject('secureOrigin')
const MiB = 1 << 20
const HEAD = { head: { 'Content-Type': 'application/octet-stream' } }

const sessions = {} as Record<(typeof HOSTS)[number], Session>
const settings = () => settingsOf({ apiOrigin: api, others: [secure] })

async function open(host: (typeof HOSTS)[number]): Promise<Session> {
  const session = connect(hostOf(host, settings())) as Session
  await session.signIn({ account: 'alice' })
  return session
}

beforeAll(async () => {
  for (const host of HOSTS) sessions[host] = await open(host)
})
afterAll(() => {
  for (const host of HOSTS) sessions[host].close()
})

const onEachHost = test.each(HOSTS)
const eventually = (state: () => Promise<unknown>) => expect.poll(state, { timeout: 8000 })
/** HTTP/1.1 allows six connections to an origin, so streams and the queries for their state use two origins. */
const streamOf = (...steps: object[]) => createStream(secure, steps, api)

async function readText(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<string> {
  const { value } = await reader.read()
  return new TextDecoder().decode(value)
}

function bytesFrom(length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_none, index) => index % 251)
}

onEachHost('a body of 16 MB arrives completely (%s)', async (host) => {
  const body = await (await sessions[host].fetch(`${api}/download?size=16000000`)).arrayBuffer()
  expect(await sha256(body)).toBe(await sha256(bytesFrom(16_000_000)))
})

test.each(HOSTS.flatMap((host) => [0, 1, 65_535, 65_536, 65_537, 131_072].map((size) => [host, size] as const)))(
  'on %s, a body of %i bytes arrives completely, with a content-length and in chunks without one',
  async (host, size) => {
    const stream = streamOf(HEAD, { fill: size }, { end: true })
    for (const url of [`${api}/download?size=${size}`, stream.url]) {
      const body = await (await sessions[host].fetch(url)).arrayBuffer()
      expect(body.byteLength).toBe(size)
      expect(await sha256(body)).toBe(await sha256(bytesFrom(size)))
    }
  },
)

onEachHost('a BYOB reader reads small and large bodies (%s)', async (host) => {
  for (const size of [1000, 200_000]) {
    const { body } = await sessions[host].fetch(`${api}/download?size=${size}`)
    if (size > 65_536) {
      const reader = (body as ReadableStream<Uint8Array<ArrayBuffer>>).getReader({ mode: 'byob' })
      let [count, sum, buffer] = [0, 0, new ArrayBuffer(7777)]
      for (;;) {
        const { done, value } = await reader.read(new Uint8Array(buffer))
        if (done) break
        expect(value.every((byte, index) => byte === (count + index) % 251)).toBe(true)
        count += value.byteLength
        sum += 1
        buffer = value.buffer
      }
      expect(count).toBe(size)
      expect(sum).toBeGreaterThan(20)
    } else {
      let count = 0
      for (const reader = body?.getReader(); reader; ) {
        const { done, value } = await reader.read()
        if (done) break
        count += value.byteLength
      }
      expect(count).toBe(size)
    }
  }
})

onEachHost('a body can be piped to text and back (%s)', async (host) => {
  const text = '令牌,茶'.repeat(50)
  const parts = Array.from({ length: 30 }, () => ({ write: text }))
  const stream = streamOf({ head: { 'Content-Type': 'text/plain' } }, ...parts, { end: true })
  const response = await sessions[host].fetch(stream.url)
  let read = ''
  const pipe = response.body?.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>)
  await pipe?.pipeTo(
    new WritableStream({
      write(part) {
        read += part
      },
    }),
  )
  expect(read).toBe(text.repeat(30))
  expect(response.bodyUsed).toBe(true)
})

onEachHost('both sides of a clone and of a tee can be read (%s)', async (host) => {
  for (const size of [1000, 3_000_000]) {
    const response = await sessions[host].fetch(`${api}/download?size=${size}`)
    const copies = await Promise.all([response.clone().arrayBuffer(), response.arrayBuffer()])
    const digest = await sha256(bytesFrom(size))
    for (const copy of copies) expect(await sha256(copy)).toBe(digest)
    const [one, other] = (await sessions[host].fetch(`${api}/download?size=${size}`)).body?.tee() ?? []
    for (const side of [one, other]) expect(await sha256(await new Response(side).arrayBuffer())).toBe(digest)
  }
})

onEachHost('json, text, blob and formData read small and large bodies (%s)', async (host) => {
  const { fetch } = sessions[host]
  for (const filler of ['', 'x'.repeat(300_000)]) {
    const post = (body: BodyInit) => fetch(`${api}/bytes`, { method: 'POST', body })
    expect(await (await post(JSON.stringify({ filler }))).json()).toEqual({ filler })
    expect(await (await post(`令${filler}`)).text()).toBe(`令${filler}`)
    expect((await (await post(new Blob([filler], { type: 'a/b' }))).blob()).type).toBe('a/b')
    expect((await (await post(new URLSearchParams({ filler }))).formData()).get('filler')).toBe(filler)
  }
})

onEachHost('a slow reader slows the server down, as with fetch, and memory use is bounded (%s)', async (host) => {
  const steps = [HEAD, { fill: 256 * MiB }, { end: true }]
  const takenBy = async (fetch: typeof globalThis.fetch, headers = {}) => {
    const stream = createStream(api, steps)
    const response = await fetch(stream.url, { headers })
    const reader = response.body?.getReader()
    await reader?.read()
    let taken = -1
    await expect
      .poll(
        async () => {
          const before = taken
          taken = (await stream.state()).taken
          return taken === before
        },
        { interval: 700, timeout: 15_000 },
      )
      .toBe(true)
    await reader?.cancel()
    return taken
  }
  const own = await takenBy(globalThis.fetch, { authorization: 'Bearer any' })
  const ours = await takenBy(sessions[host].fetch)
  expect(ours).toBeGreaterThan(0)
  // Most of the data is in the system's socket buffers, as with fetch.
  expect(ours).toBeLessThan(own + 32 * MiB)
  expect(ours).toBeLessThan(160 * MiB)
})

onEachHost(
  'an unread body is hardly fetched, and a read continues at the point where it stopped (%s)',
  async (host) => {
    const stream = createStream(api, [HEAD, { fill: 160 * MiB }, { end: true }])
    const response = await sessions[host].fetch(stream.url)
    await delay(1000)
    expect((await stream.state()).taken).toBeLessThan(128 * MiB)
    let count = 0
    for (const reader = response.body?.getReader(); reader; ) {
      const { done, value } = await reader.read()
      if (done) break
      count += value.byteLength
    }
    expect(count).toBe(160 * MiB)
  },
)

onEachHost('an abort before the headers closes the connection to the server (%s)', async (host) => {
  const stream = streamOf()
  const controller = new AbortController()
  const reason = { exactly: 'this' }
  const outcome = errorOf(sessions[host].fetch(stream.url, { signal: controller.signal }))
  await eventually(stream.state).toMatchObject({ isOpen: true })
  controller.abort(reason)
  expect(await outcome).toBe(reason)
  await eventually(stream.state).toMatchObject({ isClosed: true })
})

test.each(HOSTS.flatMap((host) => ['init', 'Request'].map((way) => [host, way] as const)))(
  'on %s, an abort during the body, by the signal of %s, rejects the read with its exact reason and reaches the server',
  async (host, way) => {
    const stream = streamOf(HEAD, { write: 'first' })
    const controller = new AbortController()
    const reason = { exactly: 'this' }
    const { signal } = controller
    const response = await (way === 'init'
      ? sessions[host].fetch(stream.url, { signal })
      : sessions[host].fetch(new Request(stream.url, { signal })))
    const reader = response.body?.getReader() as ReadableStreamDefaultReader<Uint8Array>
    expect(await readText(reader)).toBe('first')
    const outcome = errorOf(reader.read())
    controller.abort(reason)
    expect(await outcome).toBe(reason)
    await eventually(stream.state).toMatchObject({ isClosed: true })
  },
)

test.each(HOSTS.flatMap((host) => [10, 3_000_000].map((size) => [host, size] as const)))(
  'on %s, a body of %i bytes that is read after an abort rejects with its exact reason',
  async (host, size) => {
    const reason = { exactly: 'this' }
    for (const read of ['text', 'arrayBuffer', 'json', 'blob'] as const) {
      const controller = new AbortController()
      const response = await sessions[host].fetch(`${api}/download?size=${size}`, { signal: controller.signal })
      await delay(50)
      controller.abort(reason)
      expect(await errorOf(response[read]())).toBe(reason)
    }
  },
)

onEachHost('an abort after the body was read changes nothing (%s)', async (host) => {
  const controller = new AbortController()
  const { signal } = controller
  const response = await sessions[host].fetch(`${api}/download?size=200000`, { signal })
  const body = await response.arrayBuffer()
  controller.abort()
  expect(body.byteLength).toBe(200_000)
  expect(await errorOf(response.text())).toBeInstanceOf(TypeError)
})

onEachHost('a cancelled body closes the connection to the server (%s)', async (host) => {
  const stream = streamOf(HEAD, { write: 'first' })
  const { body } = await sessions[host].fetch(stream.url)
  await body?.cancel('enough')
  await eventually(stream.state).toMatchObject({ isClosed: true })
  const other = createStream(api, [HEAD, { fill: 64 * MiB }])
  const reader = (await sessions[host].fetch(other.url)).body?.getReader()
  await reader?.read()
  await reader?.cancel()
  expect(await reader?.read()).toEqual({ done: true, value: undefined })
  await eventually(other.state).toMatchObject({ isClosed: true })
})

test.each(HOSTS.flatMap((host) => [5, 200_000].map((size) => [host, size] as const)))(
  'on %s, a connection that breaks after %i bytes rejects the read with a TypeError, as with fetch',
  async (host, size) => {
    for (const origin of [api, secure]) {
      const stream = createStream(origin, [HEAD, { fill: size }])
      const response = await sessions[host].fetch(stream.url)
      const reading = errorOf(response.arrayBuffer())
      await delay(100)
      await stream.perform({ destroy: true })
      const error = await reading
      expect(error).toBeInstanceOf(TypeError)
      expect(isLingpaiError(error)).toBe(false)
    }
  },
)

onEachHost(
  'a body that breaks off at once rejects when it is read, and not before, as with fetch (%s)',
  async (host) => {
    const steps = [
      { head: { 'Content-Type': 'text/plain', 'Content-Length': '100' } },
      { write: 'short' },
      { wait: 2 },
      { destroy: true },
    ]
    const own = await globalThis.fetch(createStream(api, steps).url, { headers: { authorization: 'Bearer any' } })
    expect(await errorOf(own.text())).toBeInstanceOf(TypeError)
    const response = await sessions[host].fetch(createStream(api, steps).url)
    expect(response.status).toBe(200)
    const error = await errorOf(response.text())
    expect(error).toBeInstanceOf(TypeError)
    expect(isLingpaiError(error)).toBe(false)
  },
)

test('a worker that ends during a body rejects the read with a TypeError with the code worker_lost (I3)', async () => {
  const workers: Worker[] = []
  const given = settings()
  const session = connect({
    dedicated: () => {
      const worker = startDedicated(given)
      workers.push(worker)
      return worker
    },
  }) as Session
  await session.signIn({ account: 'alice' })
  const stream = streamOf(HEAD, { write: 'first' })
  const response = await session.fetch(stream.url)
  const reader = response.body?.getReader() as ReadableStreamDefaultReader<Uint8Array>
  expect(await readText(reader)).toBe('first')
  const outcome = errorOf(reader.read())
  workers[0]?.terminate()
  const error = await outcome
  expect(error).toBeInstanceOf(TypeError)
  expect(error).toMatchObject({ code: 'worker_lost' })
  session.close()
})

onEachHost(
  'close() during a body rejects the read with closed, and ends the request at the server (%s)',
  async (host) => {
    const session = await open(host)
    const [large, quiet] = [createStream(api, [HEAD, { fill: 64 * MiB }]), streamOf(HEAD, { write: 'first' })]
    const responses = await Promise.all([session.fetch(large.url), session.fetch(quiet.url)])
    session.close()
    for (const response of responses) {
      const error = await errorOf(response.text())
      expect(error).toBeInstanceOf(TypeError)
      expect(error).toMatchObject({ code: 'closed' })
    }
    await eventually(large.state).toMatchObject({ isClosed: true })
    await eventually(quiet.state).toMatchObject({ isClosed: true })
  },
)

test('the SharedWorker stops reading the server-sent events of a page that has left, but not those of other pages', async () => {
  const given = settings()
  const start = () => connect(hostOf('shared', given)) as Session
  const [leaving, staying] = [start(), start()]
  await leaving.signIn({ account: 'alice' })
  const events = [{ head: { 'Content-Type': 'text/event-stream' } }, { write: 'data: 1\n\n' }]
  const [left, kept] = [streamOf(...events), streamOf(...events)]
  await leaving.fetch(left.url)
  const response = await staying.fetch(kept.url)
  leaving.close()
  await eventually(left.state).toMatchObject({ isClosed: true })
  expect(await kept.state()).toMatchObject({ isOpen: true })
  await kept.perform({ end: true })
  expect(await response.text()).toBe('data: 1\n\n')
  staying.close()
})

test.each(
  HOSTS.flatMap((host) => ['text/event-stream', 'application/x-ndjson', ''].map((type) => [host, type] as const)),
)(
  'on %s, each event of a stream of type %j arrives before the next is written, also after a pause',
  async (host, type) => {
    const stream = streamOf({ head: type === '' ? {} : { 'Content-Type': type } })
    // The headers arrive before any byte of the body.
    const response = await sessions[host].fetch(stream.url)
    const reader = response.body?.getReader() as ReadableStreamDefaultReader<Uint8Array>
    for (const [pause, event] of [
      [0, 'data: 1\n\n'],
      [0, 'data: 2\n\n'],
      [1500, 'data: 3\n\n'],
    ] as const) {
      await delay(pause)
      await stream.perform({ write: event })
      expect(await readText(reader)).toBe(event)
      expect(await stream.state()).toMatchObject({ isOpen: true })
    }
    await stream.perform({ end: true })
    expect(await reader.read()).toEqual({ done: true, value: undefined })
  },
)

onEachHost('data that a stream wrote before a pause can be read during the pause (%s)', async (host) => {
  const stream = streamOf(HEAD, { write: 'a' }, { wait: 3 }, { write: 'b' }, { wait: 3 }, { write: 'c' })
  const response = await sessions[host].fetch(stream.url)
  const reader = response.body?.getReader() as ReadableStreamDefaultReader<Uint8Array>
  let text = ''
  while (text.length < 3) text += await readText(reader)
  expect(text).toBe('abc')
  await stream.perform({ write: 'd' }, { end: true })
  expect(await readText(reader)).toBe('d')
  expect((await reader.read()).done).toBe(true)
})

onEachHost('small, missing and compressed chunks make a complete body (%s)', async (host) => {
  const { fetch } = sessions[host]
  const many = Array.from({ length: 40 }, (_none, index) => ({ write: `${index},` }))
  expect(await (await fetch(streamOf(HEAD, ...many, { end: true }).url)).text()).toMatch(/^0,1,2,.*,38,39,$/)
  expect(await (await fetch(streamOf(HEAD, { end: true }).url)).text()).toBe('')
  for (const text of ['tea', '令牌'.repeat(300)]) {
    const head = { 'Content-Type': 'text/plain', 'Content-Encoding': 'gzip' }
    expect(await (await fetch(streamOf({ head }, { gzip: text }, { end: true }).url)).text()).toBe(text)
  }
})

onEachHost('HEAD, 204 and an empty body give the same as with fetch (%s)', async (host) => {
  for (const [path, init] of [
    ['/download?size=3000000', { method: 'HEAD' }],
    ['/status/204', {}],
    ['/download?size=0', {}],
  ] as const) {
    const own = await globalThis.fetch(api + path, { ...init, headers: { authorization: 'Bearer any' } })
    const ours = await sessions[host].fetch(api + path, init)
    expect([ours.status, [...ours.headers.keys()], await ours.text()]).toEqual([
      own.status,
      [...own.headers.keys()],
      await own.text(),
    ])
  }
})

onEachHost('fifty simultaneous streams each get their own data (%s)', async (host) => {
  const streams = Array.from({ length: 50 }, () => streamOf(HEAD, { write: 'start ' }))
  const responses = await Promise.all(streams.map(({ url }) => sessions[host].fetch(url)))
  const texts = Promise.all(responses.map((response) => response.text()))
  await Promise.all(streams.map((stream, index) => stream.perform({ write: `end ${index}` }, { end: true })))
  expect(await texts).toEqual(streams.map((_stream, index) => `start end ${index}`))
})

onEachHost('unread bodies do not block other bodies (%s)', async (host) => {
  const streams = Array.from({ length: 8 }, () => streamOf(HEAD, { fill: 200_000 }))
  const unread = await Promise.all(streams.map(({ url }) => sessions[host].fetch(url)))
  const read = await sessions[host].fetch(`${secure}/download?size=300000`)
  expect((await read.arrayBuffer()).byteLength).toBe(300_000)
  for (const { body } of unread) await body?.cancel()
})

onEachHost('many small unread bodies do not occupy the connections of HTTP/1.1 (%s)', async (host) => {
  for (let round = 0; round < 12; round += 1) await sessions[host].fetch(`${api}/orders`)
  expect((await sessions[host].fetch(`${api}/orders`)).status).toBe(200)
})

const outcomeOf = async (session: Session, ...steps: object[]) => {
  const response = await session.fetch(streamOf(...steps).url)
  return response.arrayBuffer().then(
    (body) => body.byteLength,
    (error: unknown) => error,
  )
}

onEachHost(
  'the page does not get a token in a small body, in a late chunk or across two chunks (I11, %s)',
  async (host) => {
    const session = sessions[host]
    const refused = { code: 'token_reflected', status: 200 }
    const small = await errorOf(session.fetch(streamOf(HEAD, { write: 'it is {token}.' }, { end: true }).url))
    expect(small).toBeInstanceOf(TypeError)
    expect(small).toMatchObject(refused)
    const pause = { wait: 40 }
    for (const steps of [
      [{ write: 'one' }, pause, { write: 'two' }, pause, { write: 'it is {token}.' }],
      [{ write: 'one' }, pause, { write: 'it is {token:0:9}' }, pause, { write: '{token:9:9999}.' }],
      [{ write: 'one' }, pause, { fill: 900_000 }, pause, { write: '{token}' }],
    ]) {
      const error = await outcomeOf(session, HEAD, ...steps, pause, { end: true })
      expect(error).toBeInstanceOf(TypeError)
      expect(error).toMatchObject(refused)
    }
  },
)

onEachHost('a token after four MiB of a body is found (I11, %s)', async (host) => {
  const outcome = await outcomeOf(
    sessions[host],
    HEAD,
    { fill: 4 * MiB },
    { wait: 20 },
    { write: 'it is {token}' },
    { end: true },
  )
  expect(outcome).toMatchObject({ code: 'token_reflected' })
})

onEachHost('a token that comes in parts is found before the page has four bytes of it (I11, %s)', async (host) => {
  const stream = streamOf(HEAD, { write: 'it is {token:0:20}' })
  const response = await sessions[host].fetch(stream.url)
  const reader = response.body?.getReader() as ReadableStreamDefaultReader<Uint8Array>
  expect(await readText(reader)).toBe('it is ')
  await stream.perform({ write: '{token:20:5000}' }, { end: true })
  expect(await errorOf(reader.read())).toMatchObject({ code: 'token_reflected' })
})

onEachHost('the worker stops reading a stream that contained the token (I11, %s)', async (host) => {
  const stream = streamOf(HEAD, { write: 'one' })
  const response = await sessions[host].fetch(stream.url)
  // Only now, so that the page has the response, however busy the machine is.
  await stream.perform({ write: '{token}' })
  expect(await errorOf(response.text())).toMatchObject({ code: 'token_reflected' })
  await eventually(stream.state).toMatchObject({ isClosed: true })
})
