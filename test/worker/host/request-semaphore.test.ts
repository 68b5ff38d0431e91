import { expect, test, vi } from 'vitest'
import { createRequestSemaphore, type RequestSemaphore } from '../../../worker/host/request-semaphore.ts'

const alive = new AbortController().signal

/** Acquires slots for pages, and notes the page of each request that is admitted. */
function createRecorder(semaphore: RequestSemaphore) {
  const admitted: string[] = []
  const acquire = (page: string, count = 1, signal = alive) => {
    for (let asked = 0; asked < count; asked += 1) {
      const slot = semaphore.acquire(page, signal)
      if (slot === undefined) admitted.push(page)
      else
        slot.then(
          () => admitted.push(page),
          () => admitted.push(`${page} aborted`),
        )
    }
  }
  const release = async (page: string) => {
    semaphore.release(page)
    await Promise.resolve()
    await Promise.resolve()
  }
  return { admitted, acquire, release }
}

test('a request acquires a free slot without waiting, not even for a microtask', () => {
  const semaphore = createRequestSemaphore(2, 3)
  expect([semaphore.acquire('a', alive), semaphore.acquire('a', alive), semaphore.acquire('b', alive)]).toEqual([
    undefined,
    undefined,
    undefined,
  ])
  expect(semaphore.acquire('c', alive)).toBeInstanceOf(Promise)
})

test('a page that floods the worker leaves slots for the other pages', () => {
  const { admitted, acquire } = createRecorder(createRequestSemaphore(2, 4))
  acquire('flood', 1000)
  acquire('calm')
  expect(admitted).toEqual(['flood', 'flood', 'calm'])
})

test('if no slot is free, the pages get slots in turn, however many calls one of them has', async () => {
  const { admitted, acquire, release } = createRecorder(createRequestSemaphore(4, 4))
  acquire('flood', 1000)
  acquire('calm', 2)
  acquire('other', 1)
  expect(admitted).toEqual(Array(4).fill('flood'))
  for (let released = 0; released < 4; released += 1) await release('flood')
  expect(admitted.slice(4)).toEqual(['flood', 'calm', 'other', 'flood'])
})

test('the calls of one page get slots in their order', async () => {
  const semaphore = createRequestSemaphore(1, 1)
  semaphore.acquire('a', alive)
  const order: number[] = []
  for (const number of [1, 2, 3]) void semaphore.acquire('a', alive)?.then(() => order.push(number))
  for (let released = 0; released < 3; released += 1) {
    semaphore.release('a')
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(order).toEqual([1, 2, 3])
})

test('an abort ends the wait with its reason, and the next call gets the slot', async () => {
  const semaphore = createRequestSemaphore(1, 1)
  const { admitted, acquire, release } = createRecorder(semaphore)
  acquire('a')
  const controller = new AbortController()
  const waiting = semaphore.acquire('a', controller.signal)
  acquire('b')
  controller.abort('no longer wanted')
  await expect(waiting).rejects.toBe('no longer wanted')
  await expect(semaphore.acquire('a', controller.signal)).rejects.toBe('no longer wanted')
  await release('a')
  expect(admitted).toEqual(['a', 'b'])
})

test('an abort after the slot was acquired changes nothing', async () => {
  const semaphore = createRequestSemaphore(1, 1)
  const { admitted, acquire, release } = createRecorder(semaphore)
  acquire('a')
  const controller = new AbortController()
  acquire('a', 1, controller.signal)
  await release('a')
  controller.abort()
  acquire('b')
  expect(admitted).toEqual(['a', 'a'])
  await release('a')
  expect(admitted).toEqual(['a', 'a', 'b'])
})

test('a call that has its slot leaves no listener on its signal', async () => {
  const semaphore = createRequestSemaphore(1, 1)
  semaphore.acquire('a', alive)
  const { signal } = new AbortController()
  const added = vi.spyOn(signal, 'addEventListener')
  const removed = vi.spyOn(signal, 'removeEventListener')
  const waiting = semaphore.acquire('a', signal)
  semaphore.release('a')
  await waiting
  const [[type, listener] = []] = added.mock.calls
  expect(added).toHaveBeenCalledTimes(1)
  expect(removed).toHaveBeenCalledExactlyOnceWith(type, listener)
})

test('ten thousand aborts at once take no noticeable time, and the call behind them gets its slot', async () => {
  const semaphore = createRequestSemaphore(1, 1)
  const { admitted, acquire, release } = createRecorder(semaphore)
  acquire('a')
  const controllers = Array.from({ length: 10_000 }, () => new AbortController())
  for (const { signal } of controllers) semaphore.acquire('a', signal)?.catch(() => {})
  acquire('a')
  for (const controller of controllers) controller.abort()
  await release('a')
  expect(admitted).toEqual(['a', 'a'])
})

test('a page at its own limit is skipped, even if other slots are free', async () => {
  const { admitted, acquire, release } = createRecorder(createRequestSemaphore(1, 2))
  acquire('a')
  acquire('b')
  acquire('a')
  acquire('c')
  await release('b')
  expect(admitted).toEqual(['a', 'b', 'c'])
  await release('a')
  expect(admitted).toEqual(['a', 'b', 'c', 'a'])
})
