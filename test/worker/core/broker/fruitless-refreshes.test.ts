import fc from 'fast-check'
import { expect, test } from 'vitest'
import { runRequest } from '../../../../worker/core/broker/request-loop.ts'
import type { Permit } from '../../../../worker/core/session/events.ts'
import { failed } from '../../../../worker/core/verdict.ts'
import { createHarness, storedSession, watch } from '../../../fixtures/broker-harness.ts'

const second = 1000
const fiveMinutes = 300 * second
const orders = 'https://orders.example.com/'
const stock = 'https://stock.example.com/'

/** `open` accepts the tokens that the server has not ended, `closed` refuses every token. */
type Path = 'open' | 'closed'

/**
 * A signed-in broker, its token server, and APIs with an open and a closed path. With `endsOldToken`, the access token before
 * a refresh ends when the server gets that refresh.
 */
function createApis({ expiresIn = 900, answerTime = 0, endsOldToken = false } = {}) {
  /** When each token request was sent. */
  const times: number[] = []
  let firstGood = 1
  let fault: Error | undefined
  const harness = createHarness({
    stored: storedSession({ isFresh: true }),
    grant: {
      async refresh() {
        times.push(platform.elapsed())
        if (fault !== undefined) throw fault
        const number = times.length + 1
        if (endsOldToken) firstGood = number
        if (answerTime > 0) await sleep(answerTime)
        return { accessToken: `access-${number}`, refreshToken: `refresh-${number}`, expiresIn }
      },
    },
  })
  const { broker, platform } = harness
  const sleep = (milliseconds: number) => new Promise<void>((resolve) => platform.setTimeout(resolve, milliseconds))

  async function call(api: string, path: Path, duration = 0) {
    const opened = await harness.openCall()
    opened.api = api
    const send = async ({ tokens: { accessToken } }: Permit) => {
      if (duration > 0) await sleep(duration)
      const isTokenDenied = path === 'closed' || Number(accessToken.replace('access-', '')) < firstGood
      return { answer: isTokenDenied ? 401 : 200, isTokenDenied }
    }
    const outcome = watch(runRequest(broker, opened, send))
    await platform.settle()
    return outcome
  }

  return {
    ...harness,
    times,
    call,
    /** The server ends all tokens that it has issued, before their time. */
    revokeTokens(): void {
      firstGood = times.length + 2
    },
    /** The answer of the token server from now on; undefined repairs it. */
    breakTokenServer(error: Error | undefined): void {
      fault = error
    },
    /** Calls both paths of an API in turns, ten times a second in all. */
    async callInTurns(milliseconds: number, api = orders): Promise<void> {
      const end = platform.elapsed() + milliseconds
      while (platform.elapsed() < end) {
        await call(api, 'closed')
        await platform.advance(100)
        await call(api, 'open')
        await platform.advance(100)
      }
    },
  }
}

/** The most token requests in a span of time. */
function most(times: readonly number[], span: number): number {
  return Math.max(0, ...times.map((from) => times.filter((time) => time >= from && time < from + span).length))
}

test('one path of an API answers 401 whatever the token, another 200: at most one token request a second, and 30 in 5 minutes (I10)', async () => {
  const { callInTurns, times } = createApis()
  await callInTurns(2 * fiveMinutes)
  expect(most(times, second)).toBe(1)
  expect(most(times, fiveMinutes)).toBeLessThanOrEqual(30)
  expect(times.length).toBeGreaterThan(10)
})

test('the pause after each fruitless refresh is longer than the one before, up to five minutes', async () => {
  const { callInTurns, times } = createApis()
  await callInTurns(8 * fiveMinutes)
  const pauses = times.slice(1).map((time, index) => time - (times[index] ?? 0))
  expect(pauses[0]).toBeLessThan(2 * second)
  // The token lives for 15 minutes, so some refreshes are for its own expiry.
  expect(Math.max(...pauses)).toBeGreaterThan(fiveMinutes - 2 * second)
  expect(Math.max(...pauses)).toBeLessThan(fiveMinutes + second)
})

test('during the pause, a refused call gets its 401 at once, and the history says why', async () => {
  const { call, broker, platform } = createApis()
  await call(orders, 'closed')
  await platform.advance(600)
  expect(await call(orders, 'closed')).toMatchObject({ settled: 1, value: 401 })
  expect(broker.explain().at(-1)).toMatchObject({ event: 'call-not-replayed', call: 'call-2', delay: 400 })
})

test('a token that expires genuinely at another API is refreshed at once', async () => {
  const { call, callInTurns, revokeTokens, times } = createApis()
  await callInTurns(20 * second)
  revokeTokens()
  const before = times.length
  expect(await call(stock, 'open')).toMatchObject({ settled: 1, value: 200 })
  expect(times).toHaveLength(before + 1)
})

test('the refresh for another API does not end the pause of the one that refuses every token', async () => {
  const { call, callInTurns, revokeTokens, times } = createApis()
  await callInTurns(20 * second)
  revokeTokens()
  await call(stock, 'open')
  const before = times.length
  expect(await call(orders, 'closed')).toMatchObject({ settled: 1, value: 401 })
  expect(times).toHaveLength(before)
})

test("during the pause, the token's own expiry is followed by a refresh at once", async () => {
  const { call, callInTurns, platform, times } = createApis({ expiresIn: 30 })
  await callInTurns(20 * second)
  await platform.advance(30 * second)
  const before = times.length
  expect(await call(orders, 'open')).toMatchObject({ settled: 1, value: 200 })
  expect(times).toHaveLength(before + 1)
})

test('a token that expires while its call is on the way is refreshed in spite of the pause', async () => {
  const { call, callInTurns, revokeTokens, platform, times } = createApis({ expiresIn: 30 })
  await callInTurns(60 * second)
  await platform.advance((times.at(-1) ?? 0) + 23 * second - platform.elapsed())
  revokeTokens()
  const before = times.length
  const outcome = await call(orders, 'open', 2 * second)
  await platform.advance(5 * second)
  expect(outcome).toMatchObject({ settled: 1, value: 200 })
  expect(times).toHaveLength(before + 1)
})

test('a replay that succeeds ends the pause', async () => {
  const { call, callInTurns, revokeTokens, platform, times } = createApis()
  await callInTurns(20 * second)
  await platform.advance(fiveMinutes)
  revokeTokens()
  expect(await call(orders, 'open')).toMatchObject({ value: 200 })
  revokeTokens()
  const before = times.length
  expect(await call(orders, 'open')).toMatchObject({ value: 200 })
  expect(times).toHaveLength(before + 1)
})

test('a sign-in ends the pause', async () => {
  const { call, callInTurns, signIn, times } = createApis()
  await callInTurns(20 * second)
  await signIn('ann')
  const before = times.length
  await call(orders, 'closed')
  expect(times).toHaveLength(before + 1)
})

test.each([
  ['after', 20],
  ['before', 80],
])(
  'a server that ends the old token with each refresh: a 401 of another call %s the new token has come does not end the pause',
  async (_when, answerTime) => {
    const { call, platform, times } = createApis({ answerTime, endsOldToken: true })
    const late = []
    for (let turn = 0; turn < 200; turn++) {
      late.push(await call(orders, 'open', 50))
      await call(orders, 'closed')
      await platform.advance(100)
    }
    await platform.advance(second)
    expect(times.length).toBeLessThanOrEqual(10)
    for (const outcome of late) expect(outcome).toMatchObject({ settled: 1, value: 200 })
  },
)

test('a refresh that fails is not counted as fruitless: when the token server works again, a 401 refreshes at once (I12)', async () => {
  const { call, breakTokenServer, revokeTokens, platform, times } = createApis()
  revokeTokens()
  breakTokenServer(failed('invalid_client'))
  for (let turn = 0; turn < 20; turn++) {
    await call(orders, 'open')
    await platform.advance(20 * second)
  }
  breakTokenServer(undefined)
  const before = times.length
  expect(await call(orders, 'open')).toMatchObject({ settled: 1, value: 200 })
  revokeTokens()
  expect(await call(orders, 'open')).toMatchObject({ settled: 1, value: 200 })
  expect(times).toHaveLength(before + 2)
})

test('a token that came after a failed attempt is not replaced within a second (I10)', async () => {
  const { call, breakTokenServer, platform, times } = createApis()
  await call(orders, 'closed')
  await platform.advance(second)
  breakTokenServer(new Error('status 500'))
  await call(orders, 'closed')
  breakTokenServer(undefined)
  while (times.length < 4) {
    await platform.advance(100)
    await call(orders, 'closed')
  }
  expect(most(times, second)).toBe(1)
})

test('whatever several APIs refuse, at any pace, there are at most 30 token requests in 5 minutes (I10)', async () => {
  const api = fc.constantFrom(1, 1, 1, 1, 2, 2, 3, 4, 5, 6, 7, 8)
  const turn = fc.record({ api, path: fc.constantFrom<Path>('open', 'closed'), pause: fc.nat(20_000) })
  const pace = fc.constantFrom(0.001, 0.05, 0.2)
  await fc.assert(
    fc.asyncProperty(fc.array(turn, { minLength: 200, maxLength: 300 }), pace, async (turns, factor) => {
      const { call, platform, times } = createApis({ expiresIn: 1_000_000 })
      for (const { api, path, pause } of turns) {
        await call(`https://api-${api}.example.com/`, path)
        await platform.advance(Math.round(pause * factor))
      }
      expect(most(times, fiveMinutes)).toBeLessThanOrEqual(30)
    }),
    { numRuns: 60 },
  )
})

/** A call whose first request is refused, and whose replay ends in the given way. */
async function callAndReplay(
  { broker, openCall, platform }: ReturnType<typeof createApis>,
  replay: (controller: AbortController) => unknown,
) {
  const controller = new AbortController()
  const opened = await openCall(controller.signal)
  opened.api = orders
  const outcome = watch(
    runRequest(broker, opened, async (_permit, isReplay) => {
      if (isReplay) await replay(controller)
      return { answer: isReplay ? 200 : 401, isTokenDenied: !isReplay }
    }),
  )
  await platform.settle()
  return outcome
}

test.each<[string, (controller: AbortController) => unknown]>([
  ['breaks off', () => Promise.reject(new TypeError('Failed to fetch'))],
  [
    'is aborted by its page',
    (controller) => {
      controller.abort()
      return Promise.reject(controller.signal.reason)
    },
  ],
])(
  'a replay that %s shows no use of the refresh: a 401 soon after it causes no other one (I10)',
  async (_how, replay) => {
    const apis = createApis()
    await callAndReplay(apis, replay)
    expect(await callAndReplay(apis, replay)).toMatchObject({ settled: 1, value: 401 })
    expect(apis.times).toHaveLength(1)
    await apis.platform.advance(2 * second)
    await callAndReplay(apis, () => {})
    expect(await callAndReplay(apis, () => {})).toMatchObject({ settled: 1, value: 200 })
    expect(apis.times).toHaveLength(3)
  },
)
