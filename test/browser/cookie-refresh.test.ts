import { afterEach, expect, inject, test } from 'vitest'
import { connect, type Session } from '../../src/index.ts'
import { envelopeGrant } from '../../worker/envelope.ts'
import { serveInline } from '../../worker/host/inline.ts'
import { memoryStore } from '../../worker/store/memory.ts'

// The refresh token is an HttpOnly cookie of the API, on another origin of the same site.

const api = inject('steadyOrigin')
const sessions: Session[] = []
afterEach(() => {
  for (const session of sessions.splice(0)) session.close()
})

function open(credentials: 'include' | 'omit'): Session {
  const session = connect({
    inline: () =>
      serveInline({
        grant: envelopeGrant({
          envelope: false,
          signIn: { url: `${api}/cookie-sign-in`, credentials },
          refresh: { url: `${api}/cookie-refresh`, credentials },
          tokens: { subject: 'user.id' },
        }),
        apis: [{ origin: api }],
        store: memoryStore(),
      }),
  })
  sessions.push(session as Session)
  return session as Session
}

/** Each 401 makes the session refresh. */
const callAfter401 = (session: Session) =>
  session.fetch(`${api}/after-401?id=${crypto.randomUUID()}&then=${encodeURIComponent('/orders')}`)

test('a refresh token in a cookie is sent, rotated, and never seen by a script', async () => {
  const session = open('include')
  await session.signIn({ account: 'alice' })
  for (let count = 0; count < 3; count += 1) {
    expect((await callAfter401(session)).status).toBe(200)
    expect(session.getSnapshot()).toMatchObject({ status: 'signed-in', user: { subject: 'alice' } })
  }
  const refreshed = (await session.explain()).filter(({ event }) => event === 'refresh-succeeded')
  expect(refreshed).toHaveLength(3)
  expect(document.cookie).not.toContain('refresh=')
})

test('a cookie that the server rejects ends the session at once', async () => {
  const session = open('include')
  await session.signIn({ account: 'alice' })
  // The server does not know the value that this sets.
  await fetch(`${api}/set-cookie?name=refresh&attributes=${encodeURIComponent('Path=/cookie-refresh; HttpOnly')}`, {
    credentials: 'include',
    headers: { Authorization: 'Bearer any' },
  })
  const error = await callAfter401(session).catch((thrown) => thrown)
  expect(error).toMatchObject({ code: 'sign_in_required' })
  expect(session.getSnapshot()).toMatchObject({ status: 'signed-out', reason: 'refresh_rejected' })
})

test('without credentials, no cookie is sent, and a refresh without a token ends the session', async () => {
  const session = open('omit')
  await session.signIn({ account: 'alice' })
  expect(await callAfter401(session).catch((thrown) => thrown)).toMatchObject({ code: 'sign_in_required' })
  expect(session.getSnapshot()).toMatchObject({ status: 'signed-out', reason: 'refresh_rejected' })
  expect(await session.explain()).toContainEqual(expect.objectContaining({ reason: 'no_refresh_token' }))
})
