import { expect, test } from 'vitest'
import type { StoredSession } from '../../../../worker/core/adapter.ts'
import { createStoreQueue } from '../../../../worker/core/broker/store-queue.ts'
import { createVirtualPlatform } from '../../../../worker/testing/virtual-platform.ts'
import { storedSession, tokenSet, watch } from '../../../fixtures/broker-harness.ts'

function sessionWith(accessToken: string): StoredSession {
  return { ...storedSession(), tokens: tokenSet({ accessToken }) }
}

/** A store whose every operation ends when the test says so. */
function createQueue(sharedName?: string) {
  const platform = createVirtualPlatform()
  const begun: { readonly name: string; succeed(): void; fail(): void }[] = []
  let kept: string | undefined
  const operate = (name: string, effect: () => void) =>
    new Promise<void>((resolve, reject) => {
      const succeed = () => {
        effect()
        resolve()
      }
      begun.push({ name, succeed, fail: () => reject(new Error('disk')) })
    })
  const queue = createStoreQueue(
    {
      ...(sharedName !== undefined && { sharedName }),
      load: () => undefined,
      save: ({ tokens: { accessToken } }, replaces) =>
        operate(`save ${accessToken}${sharedName && replaces !== undefined ? ` in place of ${replaces}` : ''}`, () => {
          kept = accessToken
        }),
      clear: () =>
        operate('clear', () => {
          kept = undefined
        }),
    },
    platform,
    () => {},
  )
  return {
    platform,
    queue,
    save: (accessToken: string) => watch(queue.save(sessionWith(accessToken))),
    clear: () => watch(queue.clear()),
    names: () => begun.map(({ name }) => name),
    operation(index: number) {
      const operation = begun[index]
      if (operation === undefined) throw new Error(`Operation ${index} has not begun: there were ${begun.length}.`)
      return operation
    },
    kept: () => kept,
  }
}

test('an operation begins at once if none runs, and leaves no timer', async () => {
  const { save, names, operation, platform } = createQueue()
  const outcome = save('one')
  expect(names()).toEqual(['save one'])
  operation(0).succeed()
  await platform.settle()
  expect(outcome).toEqual({ settled: 1, value: true })
  expect(platform.pendingTimers()).toBe(0)
})

test('a clear waits for an older save (I5)', async () => {
  const { save, clear, names, operation, platform, kept } = createQueue()
  save('one')
  const cleared = clear()
  await platform.advance(1500)
  expect(names()).toEqual(['save one'])
  operation(0).succeed()
  await platform.settle()
  expect(names()).toEqual(['save one', 'clear'])
  expect(cleared.settled).toBe(0)
  operation(1).succeed()
  await platform.settle()
  expect(cleared).toEqual({ settled: 1, value: true })
  expect(kept()).toBeUndefined()
})

test('behind a running operation, only the last wanted state is written, and every caller gets the result', async () => {
  const { save, clear, names, operation, platform } = createQueue()
  const outcomes = [save('one'), save('two'), clear(), save('three')]
  operation(0).succeed()
  await platform.settle()
  expect(names()).toEqual(['save one', 'save three'])
  expect(outcomes.map(({ settled }) => settled)).toEqual([1, 0, 0, 0])
  operation(1).succeed()
  await platform.settle()
  for (const outcome of outcomes) expect(outcome).toEqual({ settled: 1, value: true })
})

test('calls reject after 2 s, and the wanted state is still written when the store works again', async () => {
  const { save, clear, names, operation, platform } = createQueue()
  const saved = save('one')
  const cleared = clear()
  await platform.advance(1999)
  expect([saved.settled, cleared.settled]).toEqual([0, 0])
  await platform.advance(1)
  for (const outcome of [saved, cleared]) expect(outcome).toMatchObject({ settled: 1, error: { code: 'store_failed' } })
  operation(0).succeed()
  await platform.settle()
  expect(names()).toEqual(['save one', 'clear'])
})

test('an operation that never ends holds the last wanted state up for 6 s, not for ever (I6)', async () => {
  const { save, names, operation, platform, kept } = createQueue()
  save('one')
  save('two')
  await platform.advance(5999)
  expect(names()).toEqual(['save one'])
  await platform.advance(1)
  expect(names()).toEqual(['save one', 'save two'])
  operation(1).succeed()
  await platform.settle()
  expect(kept()).toBe('two')
  const later = save('three')
  operation(2).succeed()
  await platform.settle()
  expect(later).toEqual({ settled: 1, value: true })
  expect(kept()).toBe('three')
})

test('an operation that never ends is tried once more if no other is wanted', async () => {
  const { save, clear, names, operation, platform, kept } = createQueue()
  save('one')
  await platform.advance(6000)
  expect(names()).toEqual(['save one', 'save one'])
  operation(1).succeed()
  await platform.settle()
  expect(kept()).toBe('one')
  clear()
  expect(names()).toEqual(['save one', 'save one', 'clear'])
})

test('in a shared store, a save that may replace any session is not tried again while it may still end (I5)', async () => {
  const { save, clear, names, platform } = createQueue('shared')
  save('one')
  await platform.advance(20_000)
  expect(names()).toEqual(['save one'])
  clear()
  expect(names()).toEqual(['save one', 'clear'])
})

test('in a shared store, the repeat after a late clear replaces no session of another worker (I5)', async () => {
  const { save, clear, names, operation, platform } = createQueue('shared')
  clear()
  save('one')
  await platform.advance(6000)
  operation(1).succeed()
  await platform.settle()
  operation(0).succeed()
  await platform.settle()
  expect(names()).toEqual(['clear', 'save one', 'save one in place of null'])
})

test('a store that never answers is not called for ever', async () => {
  const { save, names, platform } = createQueue()
  save('one')
  await platform.advance(3_600_000)
  expect(names()).toHaveLength(2)
  expect(platform.pendingTimers()).toBe(0)
})

test('an operation that ends after others went on without it is written over (I5)', async () => {
  const { save, clear, names, operation, platform, kept } = createQueue()
  save('one')
  clear()
  await platform.advance(6000)
  operation(1).succeed()
  await platform.settle()
  operation(0).succeed()
  await platform.settle()
  expect(kept()).toBe('one')
  expect(names()).toEqual(['save one', 'clear', 'clear'])
  operation(2).succeed()
  await platform.advance(60_000)
  expect(kept()).toBeUndefined()
  expect(names()).toHaveLength(3)
  expect(platform.pendingTimers()).toBe(0)
})

test('a clear that fails is tried once more after 1 s', async () => {
  const { clear, names, operation, platform } = createQueue()
  const outcome = clear()
  operation(0).fail()
  await platform.settle()
  expect(outcome).toMatchObject({ settled: 1, error: { message: 'disk' } })
  await platform.advance(999)
  expect(names()).toHaveLength(1)
  await platform.advance(1)
  expect(names()).toEqual(['clear', 'clear'])
  operation(1).fail()
  await platform.advance(60_000)
  expect(names()).toHaveLength(2)
})

test('a clear that failed is not tried again when the store holds the session of another worker (I5)', async () => {
  const { platform, queue, clear, operation, names } = createQueue()
  clear()
  operation(0).fail()
  await platform.settle()
  queue.forget()
  await platform.advance(60_000)
  expect(names()).toEqual(['clear'])
})

test('a clear that failed is not tried again once something else is wanted', async () => {
  const { save, clear, names, operation, platform } = createQueue()
  clear()
  operation(0).fail()
  await platform.settle()
  save('one')
  operation(1).succeed()
  await platform.advance(60_000)
  expect(names()).toEqual(['clear', 'save one'])
})

test('a save that fails is not tried again, and the older record is cleared, even after its caller was rejected (I6)', async () => {
  for (const delay of [0, 3000]) {
    const { save, names, operation, platform } = createQueue()
    const outcome = save('one')
    await platform.advance(delay)
    operation(0).fail()
    await platform.settle()
    expect(outcome).toMatchObject({ settled: 1, error: expect.any(Error) })
    expect(names()).toEqual(['save one', 'clear'])
    operation(1).succeed()
    await platform.advance(60_000)
    expect(names()).toHaveLength(2)
  }
})

test('a save that fails is not followed by a clear if a newer state is wanted', async () => {
  const { save, names, operation, platform } = createQueue()
  save('one')
  save('two')
  operation(0).fail()
  await platform.settle()
  expect(names()).toEqual(['save one', 'save two'])
})

test('a store that throws at once has failed', async () => {
  const fail = () => {
    throw new Error('disk')
  }
  const queue = createStoreQueue({ load: fail, save: fail, clear: fail }, createVirtualPlatform(), () => {})
  await expect(queue.save(sessionWith('one'))).rejects.toThrow('disk')
})

test('a repeated operation that ends late is not written a third time', async () => {
  const { save, names, operation, platform } = createQueue()
  save('one')
  await platform.advance(6000)
  operation(1).succeed()
  operation(0).succeed()
  await platform.advance(60_000)
  expect(names()).toEqual(['save one', 'save one'])
})

test('an operation that ends late does not affect the next operation and its caller', async () => {
  const { save, names, operation, platform } = createQueue()
  save('one')
  save('two')
  await platform.advance(6000)
  const outcome = save('three')
  operation(0).succeed()
  await platform.settle()
  operation(1).succeed()
  await platform.settle()
  operation(2).succeed()
  await platform.settle()
  expect(names()).toEqual(['save one', 'save two', 'save three'])
  expect(outcome).toEqual({ settled: 1, value: true })
})

test('a clear that is repeated after a late operation is not tried a third time', async () => {
  const { save, clear, names, operation, platform } = createQueue()
  save('one')
  clear()
  await platform.advance(6000)
  operation(1).succeed()
  await platform.settle()
  operation(0).succeed()
  await platform.settle()
  operation(2).fail()
  await platform.advance(60_000)
  expect(names()).toEqual(['save one', 'clear', 'clear'])
})

test('a session that another worker has saved is replaced only by an operation that a caller waits for (I5)', async () => {
  const late = createQueue()
  late.save('one')
  late.clear()
  await late.platform.advance(6000)
  late.operation(0).succeed()
  await late.platform.settle()
  late.queue.forget()
  late.operation(1).succeed()
  await late.platform.advance(60_000)
  expect(late.names()).toEqual(['save one', 'clear'])

  const forgotten = createQueue()
  forgotten.save('one')
  forgotten.clear()
  await forgotten.platform.advance(6000)
  forgotten.operation(1).succeed()
  await forgotten.platform.settle()
  forgotten.queue.forget()
  forgotten.operation(0).succeed()
  await forgotten.platform.advance(60_000)
  expect(forgotten.names()).toEqual(['save one', 'clear'])

  const waiting = createQueue()
  waiting.save('one')
  const outcome = waiting.save('two')
  waiting.queue.forget()
  waiting.operation(0).succeed()
  await waiting.platform.settle()
  waiting.operation(1).succeed()
  await waiting.platform.settle()
  expect(waiting.names()).toEqual(['save one', 'save two'])
  expect(outcome).toEqual({ settled: 1, value: true })
})

test('the error of a caller that waited too long says so', async () => {
  const { save, platform } = createQueue()
  const outcome = save('one')
  await platform.advance(2000)
  expect(outcome).toMatchObject({ error: { message: expect.stringContaining('did not answer in time') } })
})

/** A store whose operations fail when the test says so, and that records what each may replace. */
function createConditionalQueue() {
  const platform = createVirtualPlatform()
  const seen: unknown[] = []
  const failures: (() => void)[] = []
  const operate = (...what: unknown[]) =>
    new Promise<void>((_resolve, reject) => {
      seen.push(what)
      failures.push(() => reject(new Error('disk')))
    })
  const queue = createStoreQueue(
    {
      load: () => undefined,
      save: ({ tokens }, replaces) => operate(tokens.accessToken, replaces),
      clear: (only) => operate('clear', only),
    },
    platform,
    () => {},
  )
  const save = (accessToken: string, replaces?: { sessionId: string }) =>
    watch(queue.save(sessionWith(accessToken), replaces))
  const fail = async (index: number) => {
    failures[index]?.()
    await platform.settle()
  }
  return { platform, seen, save, fail }
}

test('a failed save that could replace any session is followed by a clear of any session that this build can read', async () => {
  const { save, seen, fail } = createConditionalQueue()
  save('one')
  await fail(0)
  expect(seen[1]).toEqual(['clear', {}])
})

const first = { sessionId: 'first' }
const second = { sessionId: 'second' }

test('a write that replaces a pending write without a condition has none either; otherwise it keeps its own', async () => {
  for (const [behind, expected] of [
    [undefined, undefined],
    [first, second],
  ] as const) {
    const { save, seen, fail } = createConditionalQueue()
    save('one', first)
    save('two', behind)
    save('three', second)
    await fail(0)
    expect(seen[1]).toEqual(['three', expected])
  }
})

test('after a failed save, only the state that it should have replaced is cleared, and once more after 1 s', async () => {
  const { save, seen, fail, platform } = createConditionalQueue()
  save('one', first)
  await fail(0)
  await fail(1)
  await platform.advance(1000)
  expect(seen).toEqual([
    ['one', first],
    ['clear', first],
    ['clear', first],
  ])
})
