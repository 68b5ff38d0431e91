import { expect, inject, test } from 'vitest'
import { connect, type Session } from '../../src/index.ts'
import { createStream, delay } from '../fixtures/streams.ts'
import { HOSTS, hostOf, settingsOf } from '../fixtures/workers.ts'

// To test several minutes: IDLE_SECONDS=180 npx vitest run --project browser test/browser/idle-streams.test.ts
const silence = inject('idleSeconds') * 1000
const api = inject('steadyOrigin')
const origins = [api, inject('secureOrigin')]

test(
  `events arrive after ${silence / 1000} s of silence, on every host, over HTTP/1.1 and HTTP/2`,
  async () => {
    const outcomes = HOSTS.flatMap((host) =>
      origins.map(async (origin) => {
        const session = connect(hostOf(host, settingsOf({ apiOrigin: origin }))) as Session
        await session.signIn({ account: 'alice' })
        const head = { head: { 'Content-Type': 'text/event-stream' } }
        const stream = createStream(origin, [head, { write: ': hello\n\n' }], api)
        const reader = (await session.fetch(stream.url)).body?.pipeThrough(new TextDecoderStream() as never).getReader()
        const texts = [(await reader?.read())?.value]
        await delay(silence)
        await stream.perform({ write: ': still here\n\n' })
        texts.push((await reader?.read())?.value)
        await delay(silence / 4)
        await stream.perform({ write: 'data: 1\n\n' }, { end: true })
        texts.push((await reader?.read())?.value)
        const { done } = (await reader?.read()) ?? {}
        session.close()
        return [host, origin, ...texts, done]
      }),
    )
    expect(await Promise.all(outcomes)).toEqual(
      HOSTS.flatMap((host) =>
        origins.map((origin) => [host, origin, ': hello\n\n', ': still here\n\n', 'data: 1\n\n', true]),
      ),
    )
  },
  silence * 2 + 30_000,
)
