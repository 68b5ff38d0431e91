import fc from 'fast-check'
import { expect, it, vi } from 'vitest'
import { createFeed } from '../../demo/timeline/feed.ts'
import { layOut } from '../../demo/timeline/layout.ts'
import { type CallBar, createModel, laneIdOf, nameLanes, type Picture } from '../../demo/timeline/model.ts'
import { formatTick, listTicks, zoomAround } from '../../demo/timeline/scale.ts'
import { tellItem, tellStory } from '../../demo/timeline/story.ts'
import { connect, type HistoryEntry } from '../../src/index.ts'
import { serveInline } from '../../worker/host/inline.ts'
import { memoryStore } from '../../worker/store/memory.ts'
import { createScript, tellStorm, tellStoryOfOneSession } from '../fixtures/timeline-events.ts'

const START = Date.UTC(2030, 0, 1)

function pictureOf(entries: readonly HistoryEntry[]): Picture {
  const model = createModel()
  model.add(entries)
  return model.picture()
}

function check(property: fc.IProperty<unknown> | fc.IAsyncProperty<unknown>): void {
  const seed = Date.now() & 0x7fffffff
  console.log(`timeline: seed ${seed}`)
  fc.assert(property as fc.IProperty<unknown>, { seed, numRuns: 200 })
}

/** Entries that no real worker sends: any event of any call in any order. Time rises, or jumps if `isWild`. */
function anyHistory(isWild: boolean): fc.Arbitrary<HistoryEntry[]> {
  const call = fc.record({
    event: fc.constantFrom(
      'call-received',
      'call-waiting',
      'call-sent',
      'call-replayed',
      'call-not-replayed',
      'call-answered',
      'call-failed',
    ),
    page: fc.integer({ min: 1, max: 3 }),
    name: fc.integer({ min: 1, max: 12 }),
  })
  const page = fc.record({
    event: fc.constantFrom('page-connected', 'page-left'),
    page: fc.integer({ min: 1, max: 3 }),
  })
  const other = fc.record({
    event: fc.constantFrom(
      'started',
      'signed-in',
      'signed-out',
      'refresh-started',
      'refresh-succeeded',
      'refresh-ended',
      'late-refresh-dropped',
      'store-failed',
    ),
    verdict: fc.constantFrom('rejected', 'refused', 'unknown', 'failed'),
  })
  const step = fc.record({
    what: fc.oneof({ weight: 6, arbitrary: call }, page, { weight: 2, arbitrary: other }),
    after: isWild ? fc.integer({ min: -5000, max: 5000 }) : fc.integer({ min: 0, max: 300 }),
    isNewWorker: fc.integer({ min: 0, max: 30 }).map((value) => value === 0),
  })
  return fc.array(step, { maxLength: 150 }).map((steps) => {
    let [at, number, worker] = [START, 0, 1]
    return steps.map(({ what, after, isNewWorker }) => {
      at += after
      if (isNewWorker) [number, worker] = [0, worker + 1]
      const { name, ...rest } = { name: 0, ...what }
      return {
        ...rest,
        at,
        number: ++number,
        instance: `worker-${worker}`,
        ...('page' in rest && rest.page === 1 && { own: true }),
        ...('name' in what && { call: `${what.page}.c${name}`, code: 'aborted' }),
        generation: 1,
        version: 1,
      } as unknown as HistoryEntry
    })
  })
}

/** The faults that no picture may have for any input. */
function expectConsistent({ calls, refreshes, lanes, spans, marks }: Picture): void {
  const ids = [...calls, ...refreshes, ...marks, ...lanes].map(({ id }) => id)
  expect(new Set(ids).size).toBe(ids.length)
  for (const { lane, phases, from, end } of calls) {
    expect(lanes.map(({ id }) => id)).toContain(lane)
    const times = [from, ...phases.map((phase) => phase.from), ...(end ? [end.at] : [])]
    expect(times).toEqual([...times].sort((one, other) => one - other))
    expect(phases[0]?.from).toBe(from)
  }
  for (const { from, end } of refreshes) if (end) expect(end.at).toBeGreaterThanOrEqual(from)
  for (const { from, until } of [...spans, ...lanes])
    if (until !== undefined) expect(until).toBeGreaterThanOrEqual(from)
  for (const kind of ['signed-in', 'unreachable']) {
    expect(spans.filter((span) => span.kind === kind && span.until === undefined).length).toBeLessThanOrEqual(1)
  }
}

function expectNoOverlap(calls: readonly CallBar[]): void {
  const ends = new Map<string, number>()
  for (const { lane, row, from, end } of calls) {
    const place = `${lane} row ${row}`
    expect([place, (ends.get(place) ?? 0) <= from]).toEqual([place, true])
    ends.set(place, end?.at ?? Number.POSITIVE_INFINITY)
  }
}

it('any prefix of any history gives a consistent picture, without overlapping bars', () => {
  check(
    fc.property(anyHistory(false), fc.nat(), (entries, cut) => {
      const picture = pictureOf(entries.slice(0, cut % (entries.length + 1)))
      expectConsistent(picture)
      expectNoOverlap(picture.calls)
    }),
  )
})

it('a history without its beginning, and with a clock that jumps, gives a consistent picture', () => {
  check(
    fc.property(anyHistory(true), fc.nat(), (entries, cut) => {
      expectConsistent(pictureOf(entries.slice(cut % (entries.length + 1))))
    }),
  )
})

it('entries in portions, with repetitions, give the same picture as all entries at once', () => {
  check(
    fc.property(anyHistory(true), fc.array(fc.nat({ max: 20 })), (entries, portions) => {
      const model = createModel()
      let begin = 0
      for (const portion of [...portions, entries.length]) {
        // A few repeated entries, as after a lost response.
        const known = entries.slice(0, begin).filter(({ instance }) => instance === entries[begin - 1]?.instance)
        model.add([...known.slice(-3), ...entries.slice(begin, begin + portion)])
        begin += portion
      }
      expect(model.picture()).toEqual(pictureOf(entries))
    }),
  )
})

it('each call of a storm is drawn once, with the end that the worker reported', () => {
  const entries = tellStorm(START, 500)
  const { calls, refreshes } = pictureOf(entries)
  expect([calls.length, refreshes.length]).toEqual([500, 1])
  const count = (event: string) => entries.filter((entry) => entry.event === event).length
  expect(calls.filter(({ end }) => end?.outcome === 'answered')).toHaveLength(count('call-answered'))
  expect(calls.filter(({ end }) => end?.outcome === 'failed')).toHaveLength(count('call-failed'))
})

it('later entries do not change an existing picture', () => {
  const model = createModel()
  const entries = tellStoryOfOneSession(START)
  model.add(entries.slice(0, 40))
  const before = model.picture()
  const copy = structuredClone(before)
  model.add(entries)
  expect(before).toEqual(copy)
})

it('open calls of a lost worker are marked as lost at the first entry of the next worker', () => {
  const { calls, marks, lanes } = pictureOf(tellStoryOfOneSession(START))
  const lost = calls.filter(({ end }) => end?.outcome === 'lost')
  expect(lost.map(({ end }) => end?.at)).toEqual([START + 9900, START + 9900])
  expect(marks.map(({ kind }) => kind)).toEqual([
    'worker-started',
    'signed-in',
    'unreachable',
    'reachable',
    'worker-lost',
    'signed-out',
  ])
  expect(lanes.filter(({ until }) => until === undefined).map(({ page }) => page)).toEqual([undefined, 1, 4])
})

it('the page that shows the timeline keeps its lane after its worker is lost', () => {
  const { calls, lanes } = pictureOf(tellStoryOfOneSession(START))
  expect(lanes.filter(({ own }) => own)).toHaveLength(1)
  const own = lanes.find((lane) => lane.own)?.id
  const workers = new Set(calls.filter(({ lane }) => lane === own).map(({ id }) => id.split(':')[0]))
  expect([...workers]).toEqual(['first', 'second'])
})

it('the oldest calls are forgotten, and the picture stays consistent', () => {
  const picture = pictureOf(tellStorm(START, 9000))
  expect(picture.calls.length).toBeLessThanOrEqual(6000)
  expect(picture.calls.length).toBeGreaterThan(4000)
  expectConsistent(picture)
})

it('every bar and mark in the range has a place in its lane, and pages that left long ago have no lane', () => {
  const picture = pictureOf(tellStoryOfOneSession(START))
  const all = layOut(picture, { from: START - 100, until: START + 13_000 }, 1000, START + 13_000)
  for (const item of [...picture.calls, ...picture.refreshes, ...picture.marks]) {
    const box = all.boxOf(item)
    const lane = all.lanes.find(({ lane: { id } }) => id === (item.type === 'call' ? item.lane : 'worker'))
    expect(box && lane && box.y >= lane.top && box.y + box.height <= lane.top + lane.height).toBe(true)
  }
  const later = layOut(picture, { from: START + 11_000, until: START + 13_000 }, 1000, START + 13_000)
  expect(later.lanes.map(({ lane }) => lane.page ?? 0)).toEqual([0, 1, 4])
})

it('the story of a call says why it waited and how it ended, in both languages', () => {
  const script = createScript(START)
  const worker = script.worker('one')
  worker.waits(1, 0, 800, 200)
  worker.denied(1, 10, 150, 800, 100)
  worker.denied(2, 20, 900, 0, 100)
  worker.fails(2, 30, 500, 'sign_in_required')
  worker.hangs(1, 40)
  const { calls, lanes } = pictureOf(script.entries())
  const stories = calls.map((call) =>
    tellStory(
      call,
      'en',
      lanes.find(({ id }) => id === call.lane),
    ),
  )
  expect(stories.map((story) => story.replaceAll('\u00a0', ' '))).toEqual([
    'GET api.example.com, from this page. The token was due for a refresh, so it waited 800 ms for the refresh. Sent, and answered after 200 ms. Status 200, 1.00 s in all.',
    'POST api.example.com, from this page. Sent; the API rejected the token after 150 ms. It waited 640 ms for the refresh. Sent again with the new token, and answered after 100 ms. Status 200, 890 ms in all.',
    'POST api.example.com, from page 2. Sent; the API rejected the token after 900 ms, and the worker already had a newer one. Sent again with the new token, and answered after 100 ms. Status 200, 1.00 s in all.',
    'GET api.example.com, from page 2. The token was due for a refresh, so it waited 500 ms for the refresh. Failed after 500 ms: the user is signed out.',
    'GET api.example.com, from this page. It was sent with the token, and waits for the response. Still in flight.',
  ])
  expect(tellStory(calls[1] as CallBar, 'zh')).toBe(
    'POST api.example.com。已发出，150 毫秒后 API 拒绝了令牌。等待刷新，用时 640 毫秒。已用新令牌重发，100 毫秒后收到响应。状态码 200，总用时 890 毫秒。',
  )
})

it.each(['en', 'zh'] as const)('every item of a picture has a complete story, in %s', (language) => {
  const { calls, refreshes, marks } = pictureOf(tellStoryOfOneSession(START))
  for (const item of [...calls, ...refreshes, ...marks]) {
    const text = tellItem(item, language)
    expect(text.length).toBeGreaterThan(3)
    expect(text).not.toMatch(/undefined|NaN/)
  }
})

it('fifty calls of a real session with a rejected token give fifty bars, each sent twice, and one refresh', async () => {
  let valid = 'none'
  let issued = 0
  const issue = async () => {
    valid = `token-${++issued}`
    return { accessToken: valid, refreshToken: 'r', tokenType: 'Bearer' }
  }
  vi.stubGlobal('fetch', async (_url: string, init: RequestInit) => {
    const isValid = new Headers(init.headers).get('authorization') === `Bearer ${valid}`
    await new Promise((resolve) => setTimeout(resolve, 5))
    return new Response('{}', { status: isValid ? 200 : 401 })
  })
  const session = connect({
    inline: () =>
      serveInline({
        grant: { signIn: issue, refresh: issue },
        apis: [{ origin: 'https://api.example.com' }],
        store: memoryStore(),
      }),
  })
  const read = createFeed(session.explain)
  const model = createModel()
  await session.signIn({})
  model.add(await read())
  valid = 'revoked'
  const calls = Array.from({ length: 50 }, () => session.fetch('https://api.example.com/orders'))
  for (let round = 0; round < 5; round += 1) {
    model.add(await read())
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  await Promise.all(calls)
  model.add(await read())
  const picture = model.picture()
  expectConsistent(picture)
  expect(picture.calls.map(({ end }) => end?.status)).toEqual(new Array(50).fill(200))
  expect(picture.refreshes.map(({ end }) => end?.outcome)).toEqual(['succeeded'])
  for (const { phases } of picture.calls) {
    const kinds = phases.map(({ kind }) => kind)
    expect([kinds.slice(0, 2), kinds.at(-1)]).toEqual([['received', 'sent'], 'replayed'])
  }
  expect(picture.lanes.map(({ kind, own }) => [kind, own])).toEqual([
    ['worker', false],
    ['page', true],
  ])
  session.close()
  vi.unstubAllGlobals()
})

it('a page with a name from the app keeps its lane after its worker is lost, and other pages get a lane with their first call', () => {
  const script = createScript(START)
  const first = script.worker('first')
  first.put({ at: 0, event: 'started' })
  // The page that shows the timeline and the last page have no call.
  for (const page of [1, 2, 3, 4]) first.connect(page, 10)
  first.plain(3, 100, 50)
  first.hangs(2, 200)
  first.plain(2, 210, 500)
  const second = script.worker('second')
  second.put({ at: 900, event: 'session-restored' })
  second.connect(6, 910)
  second.plain(6, 920, 60)
  const told = pictureOf(script.entries())
  const names = new Map([
    [laneIdOf({ instance: 'first', page: 3 }), 'Tab 10'],
    [laneIdOf({ instance: 'first', page: 2 }), 'Tab 2'],
    [laneIdOf({ instance: 'second', page: 6 }), 'Tab 2'],
  ])
  const named = nameLanes(told.lanes, ({ id }) => names.get(id))
  expect(named.map(({ kind, name }) => name ?? kind)).toEqual(['worker', 'Tab 2', 'Tab 10', 'page', 'page'])
  const picture = { ...told, lanes: named }
  const layout = layOut(picture, { from: START, until: START + 1000 }, 900, START + 1000, { hidesIdle: true })
  expect(layout.lanes.map(({ lane: { kind, name } }) => name ?? kind)).toEqual(['worker', 'Tab 2', 'Tab 10'])
  const tops = told.calls
    .map((call) => layout.boxOf(call))
    .map((box) => box && layout.lanes.findLast(({ top }) => top <= box.y)?.lane.name)
  expect(tops).toEqual(['Tab 10', 'Tab 2', 'Tab 2', 'Tab 2'])
  const idle = layOut(picture, { from: START, until: START + 1000 }, 900, START + 1000)
  expect(idle.lanes).toHaveLength(5)
})

it('a feed polls for new entries, and for all entries after another worker with more entries answers', async () => {
  const entries = (instance: string, count: number) =>
    Array.from({ length: count }, (_none, index) => ({ instance, number: index + 1 }) as HistoryEntry)
  let told = entries('one', 3)
  const asked: unknown[] = []
  const read = createFeed(async (options) => {
    asked.push(options)
    return told.filter(({ number }) => number > (options?.after ?? 0))
  })
  expect(await read()).toHaveLength(3)
  told = entries('one', 5)
  expect((await read()).map(({ number }) => number)).toEqual([4, 5])
  told = entries('two', 7)
  expect(await read()).toEqual(entries('two', 7))
  expect(await read()).toEqual([])
  expect(asked).toEqual([{}, { after: 3 }, { after: 5 }, undefined, { after: 7 }])
})

it('zooming keeps the time under the pointer in place, and has limits', () => {
  const range = { from: START, until: START + 1000 }
  const near = zoomAround(range, START + 250, 0.5)
  expect(near).toEqual({ from: START + 125, until: START + 625 })
  const nearest = zoomAround(range, START, 1e-9)
  expect(nearest.until - nearest.from).toBe(10)
})

it('ticks are round, in order, and far enough apart', () => {
  for (const span of [20, 700, 9000, 300_000, 7_200_000]) {
    const ticks = listTicks({ from: START + 13, until: START + 13 + span }, 800, 90)
    expect(ticks.length).toBeGreaterThan(1)
    for (const [index, { at, step }] of ticks.entries()) {
      expect((at - START) % Math.min(step, 60_000)).toBe(0)
      if (index > 0) expect(at - (ticks[index - 1]?.at ?? 0)).toBe(step)
      expect((step / span) * 800).toBeGreaterThanOrEqual(90)
    }
  }
  expect(formatTick(new Date(2030, 0, 1, 9, 5, 7, 40).getTime(), 20)).toBe('09:05:07.040')
})
