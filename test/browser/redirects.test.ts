import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { connect, type Session } from '../../src/index.ts'
import { errorOf } from '../fixtures/streams.ts'
import { HOSTS, hostOf, settingsOf } from '../fixtures/workers.ts'

const witness = inject('witnessOrigin')
const ATTACHMENTS = ['bearer', 'header'] as const
const origins = { bearer: inject('steadyOrigin'), header: inject('headerOrigin') }

const sessions = {} as Record<string, Session>

beforeAll(async () => {
  for (const host of HOSTS) {
    for (const attachment of ATTACHMENTS) {
      const changes = { apiOrigin: origins[attachment], exposeAccessToken: true }
      const settings = settingsOf(attachment === 'bearer' ? changes : { ...changes, tokenHeader: 'X-Token' })
      const session = connect(hostOf(host, settings)) as Session
      await session.signIn({ account: 'alice' })
      sessions[`${host} ${attachment}`] = session
    }
  }
})
afterAll(() => {
  for (const session of Object.values(sessions)) session.close()
})

const cases = HOSTS.flatMap((host) =>
  ATTACHMENTS.flatMap((attachment) =>
    (['follow', 'error', 'manual'] as const).flatMap((redirect) =>
      (['same', 'other'] as const).map((target) => [host, attachment, redirect, target] as const),
    ),
  ),
)

/** The parts of a result that a caller can read. */
async function readAnswer(answer: Promise<Response>): Promise<unknown> {
  try {
    const { status, type, url, redirected, body } = await answer
    const text = body === null ? null : await new Response(body).text()
    const { method, bodyText, seen } = JSON.parse(text || '{}')
    return { status, type, url, redirected, method: method ?? seen?.method, body: bodyText ?? seen?.body }
  } catch (error) {
    return (error as Error).constructor.name
  }
}

test.each(cases)(
  'on %s, with a token as %s, redirect: %s to the %s origin works as with fetch, and no token leaves the API (I4)',
  async (host, attachment, redirect, target) => {
    const session = sessions[`${host} ${attachment}`] as Session
    const token = await session.getAccessToken()
    const name = attachment === 'bearer' ? 'authorization' : 'x-token'
    for (const status of [301, 302, 303, 307, 308]) {
      for (const method of ['GET', 'POST']) {
        const mark = crypto.randomUUID()
        const to = `${target === 'same' ? `${origins[attachment]}/echo` : `${witness}/seen`}?mark=${mark}`
        const url = `${origins[attachment]}/redirect?status=${status}&to=${encodeURIComponent(to)}`
        const init = { method, redirect, ...(method === 'POST' && { body: 'text' }) }
        const ours = await readAnswer(session.fetch(url, init))
        if (attachment === 'header' && redirect === 'follow') {
          const error = await errorOf(session.fetch(url, init))
          expect(error).toBeInstanceOf(TypeError)
          expect(error).toMatchObject({ code: 'redirect_refused' })
        } else {
          const value = attachment === 'bearer' ? 'Bearer any' : 'any'
          expect(ours).toEqual(await readAnswer(fetch(url, { ...init, headers: { [name]: value } })))
        }
        const sightings = await (await fetch(`${witness}/log?of=${mark}`)).text()
        expect(sightings).not.toContain(token)
        const count = JSON.parse(sightings).filter(
          (sighting: { method: string }) => sighting.method !== 'OPTIONS',
        ).length
        const isSeen = target === 'other' && redirect === 'follow' && attachment === 'bearer'
        expect(count).toBe(isSeen ? 2 : 0)
      }
    }
  },
)
