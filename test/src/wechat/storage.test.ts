import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createStorage } from '../../../src/wechat/storage.ts'
import { outcomeOf, soon } from '../../fixtures/soon.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

interface StorageOptions {
  readonly key: string
  readonly data?: unknown
  readonly encrypt?: boolean
  success(answer: object): void
  fail(failure: { errMsg?: string }): void
}

/** A storage like a phone's: encrypted values can be read only as encrypted, and plain ones only as plain. */
function createFakeStorage() {
  const kept = new Map<string, { data: unknown; isEncrypted: boolean }>()
  const log: string[] = []
  const failures = new Map<string, { errMsg?: string }>()
  const held: (() => void)[] = []
  let isHolding = false
  const answer = (work: () => void) => (isHolding ? held.push(work) : queueMicrotask(work))
  const start = (kind: string, options: StorageOptions, work: () => void) => {
    log.push(`${kind} ${options.key}${options.encrypt ? ' encrypted' : ''}`)
    const failure = failures.get(`${kind} ${options.key}`)
    answer(() => (failure ? options.fail(failure) : work()))
  }
  return {
    kept,
    log,
    /** Makes the operations of that kind on that key fail. */
    fail: (what: string, failure: { errMsg?: string }) => failures.set(what, failure),
    heal: () => failures.clear(),
    hold() {
      isHolding = true
    },
    async release() {
      isHolding = false
      for (const work of held.splice(0)) work()
      await vi.advanceTimersByTimeAsync(0)
    },
    wx: {
      getStorage: (options: StorageOptions) =>
        start('get', options, () => {
          const record = kept.get(options.key)
          if (record === undefined) options.fail({ errMsg: 'getStorage:fail data not found' })
          else if (record.isEncrypted !== (options.encrypt === true))
            options.fail({ errMsg: 'getStorage:fail decrypt' })
          else options.success({ data: record.data })
        }),
      setStorage: (options: StorageOptions) =>
        start('set', options, () => {
          kept.set(options.key, { data: options.data, isEncrypted: options.encrypt === true })
          options.success({})
        }),
      removeStorage: (options: StorageOptions) =>
        start('remove', options, () => {
          kept.delete(options.key)
          options.success({})
        }),
    } as never,
  }
}

test('an empty storage has no record, encrypted or not', async () => {
  const { wx } = createFakeStorage()
  expect(await createStorage(wx, '3.0.0').load('key')).toEqual({ isEncrypted: true })
  expect(await createStorage(wx, '2.20.2').load('key')).toEqual({ isEncrypted: false })
})

test.each<[string, boolean]>([
  ['2.21.3', true],
  ['2.21.10', true],
  ['2.22', true],
  ['3', true],
  ['10.0.0', true],
  ['2.21.2', false],
  ['2.21', false],
  ['2.3.30', false],
  ['1.99.99', false],
  ['0', false],
  ['', false],
  ['dev', false],
])('base library %s: encrypted is %s', async (version, isEncrypted) => {
  const { wx, kept } = createFakeStorage()
  const storage = createStorage(wx, version)
  expect(await storage.save('key', 'text')).toEqual({ isEncrypted })
  expect([...kept.values()]).toEqual([{ data: 'text', isEncrypted }])
  expect(await storage.load('key')).toEqual({ isEncrypted, text: 'text' })
})

test('after an update of the base library, the plain record is found, and the next save removes it', async () => {
  const { wx, kept } = createFakeStorage()
  await createStorage(wx, '2.20.2').save('key', 'old')
  const storage = createStorage(wx, '3.0.0')
  expect(await storage.load('key')).toEqual({ isEncrypted: true, text: 'old' })
  await storage.save('key', 'new')
  expect([...kept]).toEqual([['lingpai.key', { data: 'new', isEncrypted: true }]])
})

test('an older base library ignores the encrypted record', async () => {
  const { wx } = createFakeStorage()
  await createStorage(wx, '3.0.0').save('key', 'new')
  expect(await createStorage(wx, '2.20.2').load('key')).toEqual({ isEncrypted: false })
})

test.each(['3.0.0', '2.20.2'])('clear removes both records (%s)', async (version) => {
  const { wx, kept } = createFakeStorage()
  await createStorage(wx, '3.0.0').save('key', 'one')
  await createStorage(wx, '2.20.2').save('key', 'other')
  await createStorage(wx, '3.0.0').save('another', 'stays')
  await createStorage(wx, version).clear('key')
  expect([...kept.keys()]).toEqual(['lingpai.another'])
})

test('a value that is not a string is not a record', async () => {
  const { wx, kept } = createFakeStorage()
  kept.set('lingpai.key', { data: { an: 'object' }, isEncrypted: true })
  expect(await createStorage(wx, '3.0.0').load('key')).toEqual({ isEncrypted: true })
})

test.each<[string, string, (storage: ReturnType<typeof createStorage>) => Promise<unknown>]>([
  ['read', 'get lingpai.key', (storage) => storage.load('key')],
  ['read', 'get lingpai.key.plain', (storage) => storage.load('key')],
  ['write', 'set lingpai.key', (storage) => storage.save('key', 'secret-text')],
  ['delete', 'remove lingpai.key', (storage) => storage.clear('key')],
  ['delete', 'remove lingpai.key.plain', (storage) => storage.clear('key')],
])(
  'if WeChat cannot %s (%s fails), the call rejects with store_failed, without the record (I11)',
  async (what, operation, work) => {
    for (const failure of [{ errMsg: 'storage is full' }, { errMsg: 'x'.repeat(10_000) }, {}]) {
      const { wx, fail, heal } = createFakeStorage()
      fail(operation, failure)
      const storage = createStorage(wx, '3.0.0')
      const error = (await soon(outcomeOf(work(storage)))) as Error
      expect(error).toMatchObject({ code: 'store_failed' })
      expect(error.message).toContain(`could not ${what}`)
      expect(error.message).not.toContain('secret-text')
      expect(error.message.length).toBeLessThan(1000)
      // A failure does not block the next operation.
      heal()
      expect(await storage.save('key', 'later')).toEqual({ isEncrypted: true })
    }
  },
)

test('an operation that WeChat never answers times out, and does not block later ones (I3)', async () => {
  const { wx } = createFakeStorage()
  const storage = createStorage(Object.assign(wx, { getStorage: () => {} }), '3.0.0')
  const loaded = outcomeOf(storage.load('key'))
  const saved = storage.save('key', 'text')
  await vi.advanceTimersByTimeAsync(10_000)
  expect(await loaded).toMatchObject({ code: 'timeout' })
  expect(await saved).toEqual({ isEncrypted: true })
})

test('operations run in order: each begins when the one before has succeeded or failed', async () => {
  const { wx, log, hold, release, fail } = createFakeStorage()
  const storage = createStorage(wx, '3.0.0')
  hold()
  fail('set lingpai.key', { errMsg: 'full' })
  const saved = outcomeOf(storage.save('key', 'one'))
  const cleared = storage.clear('key')
  await vi.advanceTimersByTimeAsync(0)
  expect(log).toEqual(['set lingpai.key encrypted'])
  await release()
  expect(await saved).toMatchObject({ code: 'store_failed' })
  await cleared
  expect(log).toEqual(['set lingpai.key encrypted', 'remove lingpai.key', 'remove lingpai.key.plain'])
})

test('a late save of a lost worker does not overwrite the next worker’s', async () => {
  const { wx, kept, hold, release } = createFakeStorage()
  const storage = createStorage(wx, '3.0.0')
  hold()
  const saves = [storage.save('key', 'of the lost worker'), storage.save('key', 'of the next worker')]
  await release()
  await Promise.all(saves)
  expect(kept.get('lingpai.key')?.data).toBe('of the next worker')
})
