import { expect, it } from 'vitest'
import type { LoggedRefresh } from '../../servers/provider/refresh-log.ts'
import { findOverlaps, findReuses } from './checks.ts'

const refresh = (at: number, token: string, more: Partial<LoggedRefresh> = {}): LoggedRefresh => ({
  at,
  token,
  isReuse: false,
  endedAt: at + 10,
  status: 200,
  ...more,
})
const { status: _, ...unanswered } = refresh(1000, 'one', { issued: 'two' })

it('matches the reuse of a token with the lost response (I9)', () => {
  const again = refresh(5000, 'one', { isReuse: true, status: 400 })
  expect(findReuses([unanswered, again], [])).toEqual([{ refresh: again, loss: 'no answer', isByBrowser: false }])
})

it('matches it with a worker that was killed before it stored the response', () => {
  const again = refresh(5000, 'one', { isReuse: true, status: 400 })
  const losses = [{ what: 'kill', from: 1100, to: 1120 }]
  expect(findReuses([refresh(1000, 'one', { issued: 'two' }), again], losses)).toMatchObject([{ loss: 'kill' }])
})

it('finds no loss if the response arrived and its worker lived (I2)', () => {
  const again = refresh(5000, 'one', { isReuse: true, status: 400 })
  const losses = [{ what: 'kill', from: 3000, to: 3010 }]
  expect(findReuses([refresh(1000, 'one', { issued: 'two' }), again], losses)).toMatchObject([{ loss: undefined }])
})

it('treats a token as unused if its request was rejected unprocessed', () => {
  const losses = [{ what: 'kill', from: 1000, to: 1010 }]
  expect(findReuses([refresh(1000, 'one', { status: 503 }), refresh(3000, 'one', { issued: 'two' })], losses)).toEqual(
    [],
  )
})

it('recognizes a request that the browser sent again at once after the server ended the connection', () => {
  const again = refresh(1020, 'one', { isReuse: true, status: 400 })
  const destroyed = { ...unanswered, isDestroyed: true } as const
  expect(findReuses([destroyed, again], [])).toMatchObject([{ isByBrowser: true }])
  expect(findReuses([unanswered, again], [{ what: 'cut', from: 1005, to: 1010 }])).toMatchObject([
    { isByBrowser: true },
  ])
  expect(findReuses([unanswered, again], [{ what: 'kill', from: 1005, to: 1010 }])).toMatchObject([
    { isByBrowser: false },
  ])
  const refused = refresh(1020, 'one', { status: 503 })
  const late = refresh(3000, 'one', { isReuse: true, status: 400 })
  expect(findReuses([destroyed, refused, late], []).map(({ isByBrowser }) => isByBrowser)).toEqual([true, true])
  expect(findReuses([destroyed, late], [])).toMatchObject([{ isByBrowser: false }])
})

it('finds simultaneous refreshes of one session, but not of two sessions (I1)', () => {
  const first = refresh(1000, 'one', { issued: 'two' })
  const slow = refresh(2000, 'two', { issued: 'three', endedAt: 4000 })
  expect(findOverlaps([first, slow, refresh(3000, 'two')], 300)).toHaveLength(1)
  expect(findOverlaps([first, slow, refresh(3800, 'two')], 300)).toEqual([])
  expect(findOverlaps([first, slow, refresh(3000, 'other')], 300)).toEqual([])
})
