import { expect, test, vi } from 'vitest'
import { createRequestSemaphore, type RequestSemaphore } from '../../../worker/host/request-semaphore.ts'

const alive = new AbortController().signal

/** Takes turns for a page, and notes whose began. */
function createDesk(turns: RequestSemaphore) {
  const begun: string[] = []
  const take = (page: string, count = 1, signal = alive) => {
    for (let taken = 0; taken < count; taken += 1) {
      const turn = turns.take(page, signal)
      if (turn === undefined) begun.push(page)
      else
        turn.then(
          () => begun.push(page),
          () => begun.push(`${page} aborted`),
        )
    }
  }
  const end = async (page: string) => {
    turns.end(page)
    await Promise.resolve()
    await Promise.resolve()
  }
  return { begun, take, end }
}

test('where there is room, nobody waits, not even for a microtask', () => {
  const turns = createRequestSemaphore(2, 3)
  expect([turns.take('a', alive), turns.take('a', alive), turns.take('b', alive)]).toEqual([
    undefined,
    undefined,
    undefined,
  ])
  expect(turns.take('c', alive)).toBeInstanceOf(Promise)
})

test('one page that floods the worker leaves room for the others', () => {
  const { begun, take } = createDesk(createRequestSemaphore(2, 4))
  take('flood', 1000)
  take('calm')
  expect(begun).toEqual(['flood', 'flood', 'calm'])
})

test('where all the room is taken, the pages are served in turn, however many calls one of them has', async () => {
  const { begun, take, end } = createDesk(createRequestSemaphore(4, 4))
  take('flood', 1000)
  take('calm', 2)
  take('other', 1)
  expect(begun).toEqual(Array(4).fill('flood'))
  for (let ended = 0; ended < 4; ended += 1) await end('flood')
  expect(begun.slice(4)).toEqual(['flood', 'calm', 'other', 'flood'])
})

test('the calls of one page keep their order', async () => {
  const turns = createRequestSemaphore(1, 1)
  turns.take('a', alive)
  const order: number[] = []
  for (const number of [1, 2, 3]) void turns.take('a', alive)?.then(() => order.push(number))
  for (let ended = 0; ended < 3; ended += 1) {
    turns.end('a')
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(order).toEqual([1, 2, 3])
})

test('an abort ends the wait with its reason, and gives the turn to the next', async () => {
  const turns = createRequestSemaphore(1, 1)
  const { begun, take, end } = createDesk(turns)
  take('a')
  const controller = new AbortController()
  const waiting = turns.take('a', controller.signal)
  take('b')
  controller.abort('no longer wanted')
  await expect(waiting).rejects.toBe('no longer wanted')
  await expect(turns.take('a', controller.signal)).rejects.toBe('no longer wanted')
  await end('a')
  expect(begun).toEqual(['a', 'b'])
})

test('an abort after the turn began changes nothing', async () => {
  const turns = createRequestSemaphore(1, 1)
  const { begun, take, end } = createDesk(turns)
  take('a')
  const controller = new AbortController()
  take('a', 1, controller.signal)
  await end('a')
  controller.abort()
  take('b')
  expect(begun).toEqual(['a', 'a'])
  await end('a')
  expect(begun).toEqual(['a', 'a', 'b'])
})

test('a signal that outlives many turns holds none of them', async () => {
  const turns = createRequestSemaphore(1, 1)
  turns.take('a', alive)
  const { signal } = new AbortController()
  const added = vi.spyOn(signal, 'addEventListener')
  const removed = vi.spyOn(signal, 'removeEventListener')
  const waiting = turns.take('a', signal)
  turns.end('a')
  await waiting
  const [[type, listener] = []] = added.mock.calls
  expect(added).toHaveBeenCalledTimes(1)
  expect(removed).toHaveBeenCalledExactlyOnceWith(type, listener)
})

test('ten thousand aborts at once take no noticeable time, and whoever waits behind them is served', async () => {
  const turns = createRequestSemaphore(1, 1)
  const { begun, take, end } = createDesk(turns)
  take('a')
  const controllers = Array.from({ length: 10_000 }, () => new AbortController())
  for (const { signal } of controllers) turns.take('a', signal)?.catch(() => {})
  take('a')
  for (const controller of controllers) controller.abort()
  await end('a')
  expect(begun).toEqual(['a', 'a'])
})

test('a page that has all that it may have is passed over, also where there is room', async () => {
  const { begun, take, end } = createDesk(createRequestSemaphore(1, 2))
  take('a')
  take('b')
  take('a')
  take('c')
  await end('b')
  expect(begun).toEqual(['a', 'b', 'c'])
  await end('a')
  expect(begun).toEqual(['a', 'b', 'c', 'a'])
})
