import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { createTaskSemaphore } from '../../../src/wechat/task-semaphore.ts'

test('there are nine places by default, so that one of WeChat’s ten stays free', () => {
  const semaphore = createTaskSemaphore()
  const acquired = Array.from({ length: 10 }, () => semaphore.tryAcquire())
  expect(acquired).toEqual([...Array(9).fill(true), false])
})

test('a released place goes to whoever has waited longest, and to nobody else', () => {
  const semaphore = createTaskSemaphore(1)
  semaphore.tryAcquire()
  const got: string[] = []
  semaphore.acquire(() => got.push('first'))
  semaphore.acquire(() => got.push('second'))
  semaphore.release()
  expect(got).toEqual(['first'])
  expect(semaphore.tryAcquire()).toBe(false)
  semaphore.release()
  expect(got).toEqual(['first', 'second'])
  semaphore.release()
  expect(semaphore.tryAcquire()).toBe(true)
})

test('whoever leaves the queue gets no place, and keeps none from the next one', () => {
  const semaphore = createTaskSemaphore(1)
  semaphore.tryAcquire()
  const [left, stays] = [vi.fn(), vi.fn()]
  const leave = semaphore.acquire(left)
  semaphore.acquire(stays)
  leave()
  leave()
  semaphore.release()
  expect(left).not.toHaveBeenCalled()
  expect(stays).toHaveBeenCalledOnce()
})

test('leaving after the place was given changes nothing', () => {
  const semaphore = createTaskSemaphore(1)
  semaphore.tryAcquire()
  const leave = semaphore.acquire(() => {})
  semaphore.release()
  leave()
  expect(semaphore.tryAcquire()).toBe(false)
})

test('the same function may wait twice, and is called for each', () => {
  const semaphore = createTaskSemaphore(1)
  semaphore.tryAcquire()
  const onAcquired = vi.fn()
  semaphore.acquire(onAcquired)
  semaphore.acquire(onAcquired)
  semaphore.release()
  semaphore.release()
  expect(onAcquired).toHaveBeenCalledTimes(2)
})

test('whoever gives the place back at once hands it on', () => {
  const semaphore = createTaskSemaphore(1)
  semaphore.tryAcquire()
  const got = vi.fn()
  semaphore.acquire(() => semaphore.release())
  semaphore.acquire(got)
  semaphore.release()
  expect(got).toHaveBeenCalledOnce()
})

test('whatever happens in whatever order, never more are acquired than there are, and nobody waits beside a free place', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 4 }),
      fc.array(fc.record({ do: fc.constantFrom('acquire', 'release', 'leave'), index: fc.nat(10) }), { maxLength: 60 }),
      (limit, steps) => {
        const semaphore = createTaskSemaphore(limit)
        let acquired = 0
        const queue: { id: number; leave: () => void }[] = []
        let lastId = 0
        for (const { do: what, index } of steps) {
          if (what === 'acquire') {
            if (semaphore.tryAcquire()) acquired += 1
            else {
              const id = ++lastId
              const leave = semaphore.acquire(() => {
                // First come first served.
                expect(queue.shift()?.id).toBe(id)
                acquired += 1
              })
              queue.push({ id, leave })
            }
          } else if (what === 'release' && acquired > 0) {
            acquired -= 1
            semaphore.release()
          } else if (what === 'leave' && queue.length > 0) queue.splice(index % queue.length, 1)[0]?.leave()
          expect(acquired).toBeLessThanOrEqual(limit)
          if (acquired < limit) expect(queue).toEqual([])
        }
      },
    ),
  )
})
