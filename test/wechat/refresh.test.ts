import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { type LegacyApi, startLegacyApi } from '../../demo/server/legacy-api.ts'
import { smallApp } from '../fixtures/wechat/mini-program.ts'
import { type Engine, startPhone } from '../fixtures/wechat/phone.ts'

const engines: readonly Engine[] = ['jsc', 'quickjs', 'vm']

let api: LegacyApi

beforeEach(async () => {
  api = await startLegacyApi({ accessTokenSeconds: 1000 })
  onTestFinished(() => api.close())
})

async function startSignedIn(engine: Engine) {
  const phone = await startPhone({ engine, baseLibrary: '2.20.2', files: smallApp({ origin: api.origin }) })
  onTestFinished(() => phone.close())
  await phone.run(`getApp().session.signIn({ account: 'alice', password: 'lingpai' })`)
  return phone
}

test.each(engines)(
  'six calls with an expired token cost one refresh, and get six answers, on %s (I1)',
  async (engine) => {
    const phone = await startSignedIn(engine)
    api.expireAccessTokens()
    const lists = await phone.run(
      `Promise.all([1, 2, 3, 4, 5, 6].map((n) => getApp().session.request({ url: '${api.origin}/list', method: 'POST', data: { n } })))`,
    )
    expect(lists).toEqual(Array(6).fill({ items: ['tea', 'ink'], subject: 'alice' }))
    expect(api.counters).toMatchObject({ refreshes: 1, reuseDetections: 0 })
  },
)
