import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { createTaskSemaphore } from '../../../src/wechat/task-semaphore.ts'

test('the default limit is nine, so that one of WeChat’s ten slots stays free', () => {
  const semaphore = createTaskSemaphore()
  const acquired = Array.from({ length: 10 }, () => semaphore.tryAcquire())
  expect(acquired).toEqual([...Array(9).fill(true), false])
})

test('a released slot goes only to the caller that has waited longest', () => {
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

test('a caller that has left the queue gets no slot, and does not keep one from the next', () => {
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

test('leaving the queue after the slot was acquired changes nothing', () => {
  const semaphore = createTaskSemaphore(1)
  semaphore.tryAcquire()
  const leave = semaphore.acquire(() => {})
  semaphore.release()
  leave()
  expect(semaphore.tryAcquire()).toBe(false)
})

test('the same function may be queued twice, and is called twice', () => {
  const semaphore = createTaskSemaphore(1)
  semaphore.tryAcquire()
  const onAcquired = vi.fn()
  semaphore.acquire(onAcquired)
  semaphore.acquire(onAcquired)
  semaphore.release()
  semaphore.release()
  expect(onAcquired).toHaveBeenCalledTimes(2)
})

test('a slot that is released at once goes to the next caller', () => {
  const semaphore = createTaskSemaphore(1)
  semaphore.tryAcquire()
  const got = vi.fn()
  semaphore.acquire(() => semaphore.release())
  semaphore.acquire(got)
  semaphore.release()
  expect(got).toHaveBeenCalledOnce()
})

test('in any order of steps, the limit holds, and no caller waits while a slot is free', () => {
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
                // In the order of the calls.
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
