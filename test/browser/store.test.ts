import { createStore, entries, get, set } from 'idb-keyval'
import { expect, test, vi } from 'vitest'
import type { StoredSession } from '../../worker/core/adapter.ts'
import { indexedDBStore } from '../../worker/store/indexed-db.ts'
import { memoryStore } from '../../worker/store/memory.ts'
import {
  indexedDBTransactions,
  MAX_TRANSACTIONS,
  memoryTransactions,
  TRANSACTION_LIFE,
  withMemory,
} from '../../worker/store/transactions.ts'
import { openVault } from '../../worker/store/vault.ts'

const stored: StoredSession = {
  format: 1,
  sessionId: 'session-1',
  generation: 3,
  version: 7,
  signedInAt: 1_700_000_000_000,
  tokens: {
    accessToken: 'secret-access-token',
    refreshToken: 'secret-refresh-token',
    tokenType: 'Bearer',
    receivedAt: 1_700_000_000_000,
    expiresAt: 1_700_000_600_000,
    subject: 'secret-subject',
    profile: { name: 'Secret Name' },
  },
}
const transaction = { state: 'secret-state', nonce: 'secret-nonce', verifier: 'secret-verifier', returnTo: '/secret' }
const now = Date.now()
const freshName = () => `test-${crypto.randomUUID()}`

/** The content of a database as text, one character for each byte. */
async function dump(database: string): Promise<string> {
  const toText = (value: unknown): string => {
    if (value instanceof ArrayBuffer) return String.fromCharCode(...new Uint8Array(value))
    if (ArrayBuffer.isView(value)) return toText(value.buffer)
    if (value instanceof CryptoKey) return `key ${value.algorithm.name}`
    if (typeof value !== 'object' || value === null) return String(value)
    return Object.entries(value).flat().map(toText).join(' ')
  }
  return toText(await entries(createStore(database, 'entries')))
}

test('a session is read back as it was written, by another store too', async () => {
  const name = freshName()
  const store = indexedDBStore({ name })
  expect(await store.load()).toBeUndefined()
  await store.save(stored)
  expect(await store.load()).toEqual(stored)
  expect(await indexedDBStore({ name }).load()).toEqual(stored)
  await store.clear()
  expect(await store.load()).toBeUndefined()
})

test('a key that the tokens are bound to is read back by another store, and still cannot be exported', async () => {
  const name = freshName()
  const key = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign'])
  const bound = { ...stored, tokens: { ...stored.tokens, key } }
  expect(await indexedDBStore({ name }).save(bound)).toBe(true)
  const read = await indexedDBStore({ name }).load()
  expect(read?.tokens).toMatchObject({ ...stored.tokens })
  const readKey = read?.tokens.key as unknown as typeof key
  const { privateKey } = readKey
  expect(privateKey).toBeInstanceOf(CryptoKey)
  expect(privateKey.extractable).toBe(false)
  expect(await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, privateKey, new Uint8Array(1))).toBeDefined()
})

test('tokens without a key replace a record with one, key and all', async () => {
  const name = freshName()
  const store = indexedDBStore({ name })
  await store.save({ ...stored, tokens: { ...stored.tokens, key: { of: 'these tokens' } } })
  await store.save(stored)
  expect(await store.load()).toEqual(stored)
})

test('a key that cannot be stored fails the save, without an error of the worker, and leaves the record before it', async () => {
  const errors: unknown[] = []
  const onError = (event: Event) => errors.push(event)
  addEventListener('error', onError)
  const store = indexedDBStore({ name: freshName() })
  await store.save(stored)
  const key = { cannotBeCloned() {} }
  await expect(store.save({ ...stored, tokens: { ...stored.tokens, key } })).rejects.toBe(null)
  expect(await store.load()).toEqual(stored)
  removeEventListener('error', onError)
  expect(errors).toEqual([])
})

test('the next worker reads a session that was saved after a sign-out', async () => {
  const name = freshName()
  const store = indexedDBStore({ name })
  await store.save(stored)
  await store.clear()
  await store.save({ ...stored, version: 8 })
  expect(await indexedDBStore({ name }).load()).toMatchObject({ version: 8 })
})

test('a session in memory is read back as it was written until it is cleared', async () => {
  const store = memoryStore()
  expect(await store.load()).toBeUndefined()
  await store.save(stored)
  expect(await store.load()).toEqual(stored)
  await store.clear()
  expect(await store.load()).toBeUndefined()
})

test('the newest of two sessions wins', async () => {
  const store = indexedDBStore({ name: freshName() })
  await store.save(stored)
  await store.save({ ...stored, version: 8 })
  expect(await store.load()).toMatchObject({ version: 8 })
})

test('the database contains neither a token nor the name of the user in the clear', async () => {
  const name = freshName()
  await indexedDBStore({ name }).save(stored)
  const text = await dump(name)
  expect(text).toContain('key AES-GCM')
  expect(text.toLowerCase()).not.toContain('secret')
})

test('no script can read the key', async () => {
  const name = freshName()
  await indexedDBStore({ name }).save(stored)
  const key = (await get<CryptoKey>('key', createStore(name, 'entries'))) as CryptoKey
  expect(key.extractable).toBe(false)
  await expect(crypto.subtle.exportKey('raw', key)).rejects.toMatchObject({ name: 'InvalidAccessError' })
})

test('every record has its own iv', async () => {
  const vault = openVault(freshName())
  const [one, other] = [await vault.seal('a', 1), await vault.seal('a', 1)]
  expect([...one.iv]).not.toEqual([...other.iv])
  expect(one.iv).toHaveLength(12)
})

test.each<[string, (sealed: { iv: Uint8Array; data: ArrayBuffer }) => unknown]>([
  ['text', () => 'garbage'],
  ['null', () => null],
  ['cut short', ({ iv, data }) => ({ iv, data: data.slice(0, 10) })],
  [
    'changed by one bit',
    ({ iv, data }) => {
      const bytes = new Uint8Array(data)
      bytes[0] = (bytes[0] ?? 0) ^ 1
      return { iv, data }
    },
  ],
  ['without its iv', ({ data }) => ({ data })],
  ['the plain session itself', () => stored],
])('a record that is %s counts as absent', async (_what, damage) => {
  const name = freshName()
  const store = indexedDBStore({ name })
  await store.save(stored)
  const database = createStore(name, 'entries')
  await set('session', damage((await get('session', database)) as never), database)
  expect(await store.load()).toBeUndefined()
  await store.save(stored)
  expect(await store.load()).toEqual(stored)
})

test('a record cannot be opened under another name', async () => {
  const vault = openVault(freshName())
  const sealed = await vault.seal('one', { value: 1 })
  expect(await vault.open('one', sealed)).toEqual({ value: 1 })
  expect(await vault.open('two', sealed)).toBeUndefined()
})

test('two vaults that create the key at once use the same one', async () => {
  for (let round = 0; round < 10; round += 1) {
    const name = freshName()
    const [one, other] = [openVault(name), openVault(name)]
    const [first, second] = await Promise.all([one.seal('a', 'from one'), other.seal('b', 'from the other')])
    expect(await other.open('a', first)).toBe('from one')
    expect(await one.open('b', second)).toBe('from the other')
  }
})

test('if a key could not be made, the next call makes one', async () => {
  const store = indexedDBStore({ name: freshName() })
  vi.spyOn(crypto.subtle, 'generateKey').mockRejectedValueOnce(new DOMException('busy', 'OperationError'))
  await expect(store.save(stored)).rejects.toMatchObject({ name: 'OperationError' })
  await store.save(stored)
  expect(await store.load()).toEqual(stored)
})

test('a transaction is taken once, and then its state is known as used', async () => {
  const transactions = indexedDBTransactions(freshName())
  await transactions.put(transaction, now)
  expect(await transactions.take('secret-state', now + 1000)).toEqual(transaction)
  expect(await transactions.take('secret-state', now + 2000)).toBe('used')
})

test("if two tabs have the same callback, one gets the transaction and the other gets 'used'", async () => {
  const name = freshName()
  await indexedDBTransactions(name).put(transaction, now)
  const taken = await Promise.all([1, 2, 3].map(() => indexedDBTransactions(name).take('secret-state', now)))
  expect(taken.filter((entry) => entry === 'used')).toHaveLength(2)
  expect(taken).toContainEqual(transaction)
})

test('an unknown state is never a transaction, at the first and at later reads', async () => {
  const transactions = indexedDBTransactions(freshName())
  expect(await transactions.take('never', now)).toBeUndefined()
  expect(await transactions.take('never', now)).toBeUndefined()
})

test('a read of an unknown state leaves nothing in the database', async () => {
  const name = freshName()
  await indexedDBTransactions(name).take('never', now)
  expect(await entries(createStore(name, 'entries'))).toEqual([])
})

test('after a second sign-in, the next worker can still complete the first one', async () => {
  const name = freshName()
  const transactions = indexedDBTransactions(name)
  await transactions.put(transaction, now)
  await transactions.put({ ...transaction, state: 'second' }, now + 1000)
  expect(await indexedDBTransactions(name).take('secret-state', now + 2000)).toEqual(transaction)
})

test('a transaction in memory ends after ten minutes, and is taken once', async () => {
  const transactions = memoryTransactions()
  await transactions.put(transaction, now)
  await transactions.put({ ...transaction, state: 'second' }, now)
  expect(await transactions.take('secret-state', now + TRANSACTION_LIFE - 1)).toEqual(transaction)
  expect(await transactions.take('secret-state', now + TRANSACTION_LIFE - 1)).toBe('used')
  expect(await transactions.take('second', now + TRANSACTION_LIFE)).toBeUndefined()
})

test('a transaction ends after ten minutes, and the next sign-in deletes it', async () => {
  const name = freshName()
  const transactions = indexedDBTransactions(name)
  await transactions.put(transaction, now)
  await transactions.put({ ...transaction, state: 'second' }, now + TRANSACTION_LIFE - 1)
  expect(await transactions.take('secret-state', now + TRANSACTION_LIFE)).toBeUndefined()
  await transactions.put({ ...transaction, state: 'third' }, now + TRANSACTION_LIFE + 1)
  const names = (await entries<string, unknown>(createStore(name, 'entries'))).map(([key]) => key)
  expect(names.filter((key) => key.startsWith('transaction:'))).toHaveLength(2)
})

test('the database contains no state, nonce or verifier in the clear (I4)', async () => {
  const name = freshName()
  await indexedDBTransactions(name).put(transaction, now)
  expect((await dump(name)).toLowerCase()).not.toContain('secret')
})

test.each([
  ['IndexedDB', () => indexedDBTransactions(freshName())],
  ['memory', () => memoryTransactions()],
])('clear removes unused transactions from %s, and keeps used states', async (_storage, create) => {
  const transactions = create()
  await transactions.put(transaction, now)
  await transactions.put({ ...transaction, state: 'second' }, now)
  await transactions.take('second', now)
  await transactions.clear()
  expect(await transactions.take('secret-state', now)).toBeUndefined()
  expect(await transactions.take('second', now)).toBe('used')
})

test('if IndexedDB fails, a sign-in continues in memory', async () => {
  const broken = () => Promise.reject(new DOMException('no storage', 'InvalidStateError'))
  const kept = indexedDBTransactions(freshName())
  const transactions = withMemory({ put: broken, take: broken, clear: broken }, kept)
  await transactions.put(transaction, now)
  expect(await transactions.take('secret-state', now)).toEqual(transaction)
  await transactions.clear()
})

test('if only the write to IndexedDB failed, the sign-in is read from memory and cleared there', async () => {
  const full = () => Promise.reject(new DOMException('no space', 'QuotaExceededError'))
  const transactions = withMemory({ ...indexedDBTransactions(freshName()), put: full }, memoryTransactions())
  await transactions.put(transaction, now)
  await transactions.put({ ...transaction, state: 'second' }, now)
  expect(await transactions.take('second', now)).toMatchObject({ state: 'second' })
  await transactions.clear()
  expect(await transactions.take('secret-state', now)).toBeUndefined()
})

/** The transactions of two sessions of one origin, whose providers differ. */
function twoSessions(database = freshName()) {
  return [indexedDBTransactions(database, '["a"]'), indexedDBTransactions(database, '["b"]')] as const
}

test('a transaction of another session is neither taken nor deleted (RFC 9700 §4.4)', async () => {
  const [own, other] = twoSessions()
  await own.put(transaction, now)
  expect(await other.take('secret-state', now)).toBeUndefined()
  expect(await own.take('secret-state', now)).toEqual(transaction)
  expect(await other.take('secret-state', now)).toBeUndefined()
})

test('a sign-out clears only the transactions of its own session', async () => {
  const [own, other] = twoSessions()
  await own.put(transaction, now)
  await other.clear()
  expect(await own.take('secret-state', now)).toEqual(transaction)
})

test('a transaction that a script moves to another session cannot be opened there', async () => {
  const database = freshName()
  const [own, other] = twoSessions(database)
  await own.put(transaction, now)
  const store = open(database)
  const [name, entry] = (await entries<string, unknown>(store)).find(([key]) => key.startsWith('transaction:')) ?? []
  await set(name?.replace('["a"]', '["b"]') ?? '', entry, store)
  expect(await other.take('secret-state', now)).toBeUndefined()
})

test.each([
  ['IndexedDB', () => indexedDBTransactions(freshName())],
  ['memory', () => memoryTransactions()],
])('of more than eight open sign-ins in %s, the oldest is dropped', async (_storage, create) => {
  const transactions = create()
  const states = Array.from({ length: MAX_TRANSACTIONS + 2 }, (_, index) => `state-${index}`)
  for (const [index, state] of states.entries()) await transactions.put({ ...transaction, state }, now + index)
  const taken = await Promise.all(states.map((state) => transactions.take(state, now + 1000)))
  expect(taken.map((entry) => typeof entry)).toEqual(['undefined', 'undefined', ...Array(8).fill('object')])
})

test('a session with many open sign-ins drops none of another session', async () => {
  const [own, other] = twoSessions()
  await own.put(transaction, now)
  for (let index = 0; index < 20; index++) await other.put({ ...transaction, state: `state-${index}` }, now + index)
  expect(await own.take('secret-state', now + 1000)).toEqual(transaction)
})

test('used states do not accumulate either', async () => {
  const database = freshName()
  const transactions = indexedDBTransactions(database)
  for (let index = 0; index < 20; index++) {
    await transactions.put({ ...transaction, state: `state-${index}` }, now + index)
    await transactions.take(`state-${index}`, now + index)
  }
  const names = (await entries<string, unknown>(open(database))).map(([key]) => key)
  expect(names.filter((key) => key.startsWith('transaction:'))).toHaveLength(MAX_TRANSACTIONS)
})

test("a popup's transaction is kept in memory only, and is taken once", async () => {
  const database = freshName()
  const transactions = withMemory(indexedDBTransactions(database), memoryTransactions())
  const popup = { ...transaction, via: 'popup' }
  await transactions.put(popup, now)
  expect(await entries(open(database))).toEqual([])
  expect(await transactions.take('secret-state', now)).toEqual(popup)
  expect(await transactions.take('secret-state', now)).toBe('used')
})

test("a popup's transaction is taken even if IndexedDB does not answer", async () => {
  const silent = () => new Promise<never>(() => {})
  const transactions = withMemory({ put: silent, take: silent, clear: silent }, memoryTransactions())
  const popup = { ...transaction, via: 'popup' }
  await transactions.put(popup, now)
  expect(await transactions.take('secret-state', now)).toEqual(popup)
})

/** Opens the database as another script does. */
const open = (name: string) => createStore(name, 'entries')

test('a conditional save changes nothing if the store holds anything else', async () => {
  const name = freshName()
  const [store, other] = [indexedDBStore({ name }), indexedDBStore({ name })]
  expect(await store.save(stored, { sessionId: 'session-1' })).toBe(false)
  expect(await store.save(stored, null)).toBe(true)
  expect(await other.save({ ...stored, version: 9 }, null)).toBe(false)
  expect(await other.save({ ...stored, version: 9 }, { sessionId: 'session-2' })).toBe(false)
  expect(await other.save({ ...stored, version: 9 }, { sessionId: 'session-1', version: 6 })).toBe(false)
  expect(await other.save({ ...stored, version: 9 }, { sessionId: 'session-1', version: 7, marker: 'one' })).toBe(false)
  expect(await store.load()).toEqual(stored)
  expect(await other.save({ ...stored, version: 9 }, { sessionId: 'session-1', version: 7, marker: null })).toBe(true)
  expect(await store.load()).toMatchObject({ version: 9 })
})

test('only one of many conditional saves at once succeeds', async () => {
  const name = freshName()
  await indexedDBStore({ name }).save(stored)
  const saves = Array.from({ length: 10 }, (_, index) =>
    indexedDBStore({ name }).save({ ...stored, version: 8, signedInAt: index }, { sessionId: 'session-1', version: 7 }),
  )
  const outcomes = await Promise.all(saves)
  expect(outcomes.filter((isDone) => isDone)).toHaveLength(1)
  expect(await indexedDBStore({ name }).load()).toMatchObject({ version: 8, signedInAt: outcomes.indexOf(true) })
})

test('a conditional clear deletes nothing else (I5)', async () => {
  const store = indexedDBStore({ name: freshName() })
  await store.save(stored)
  expect(await store.clear({ sessionId: 'session-2' })).toBe(false)
  expect(await store.clear({ sessionId: 'session-1', version: 6 })).toBe(false)
  expect(await store.load()).toEqual(stored)
  expect(await store.clear({ sessionId: 'session-1', version: 7 })).toBe(true)
  expect(await store.load()).toBeUndefined()
  expect(await store.clear({ sessionId: 'session-1' })).toBe(true)
})

test('the state that a conditional write compares cannot be replaced', async () => {
  const name = freshName()
  const store = indexedDBStore({ name })
  await store.save(stored)
  const entry = (await get('session', open(name))) as { state: object }
  await set('session', { ...entry, state: { ...entry.state, version: 99 } }, open(name))
  expect(await store.load()).toBeUndefined()
})

test('a record of a later format is returned as it is, and only an unconditional clear deletes it', async () => {
  const name = freshName()
  const later = { format: 3, secret: new Uint8Array(3) }
  await set('session', later, open(name))
  const store = indexedDBStore({ name })
  expect(await store.load()).toMatchObject({ format: 3 })
  expect(await store.save(stored)).toBe(false)
  expect(await store.save(stored, null)).toBe(false)
  expect(await store.clear({})).toBe(false)
  expect(await store.clear({ sessionId: '' })).toBe(false)
  expect(await get('session', open(name))).toEqual(later)
  expect(await store.clear()).toBe(true)
  expect(await store.load()).toBeUndefined()
  expect(await store.save(stored, null)).toBe(true)
  expect(await indexedDBStore({ name }).load()).toEqual(stored)
})

test('a value that a page wrote over the record counts as absent and is replaced', async () => {
  for (const record of ['text', 7, null, [], { state: null }, { state: 'text' }, { format: 1, state: {} }]) {
    const name = freshName()
    const store = indexedDBStore({ name })
    await set('session', record, open(name))
    expect(await store.load(), JSON.stringify(record)).toBeUndefined()
    expect(await store.clear({}), JSON.stringify(record)).toBe(true)
    await set('session', record, open(name))
    expect(await store.save(stored), JSON.stringify(record)).toBe(true)
    expect(await indexedDBStore({ name }).load()).toEqual(stored)
  }
})

const aesGcm = { name: 'AES-GCM', length: 256 }
const signing = { name: 'ECDSA', namedCurve: 'P-256' }

test.each<[string, () => unknown]>([
  [
    'a key of another algorithm',
    () => crypto.subtle.generateKey({ name: 'AES-CBC', length: 256 }, false, ['encrypt', 'decrypt']),
  ],
  ['a private key', async () => (await crypto.subtle.generateKey(signing, false, ['sign', 'verify'])).privateKey],
  ['a key for signatures', () => crypto.subtle.generateKey({ name: 'HMAC', hash: 'SHA-256' }, false, ['sign'])],
  ['a key that only encrypts', () => crypto.subtle.generateKey(aesGcm, false, ['encrypt'])],
  ['a key that only decrypts', () => crypto.subtle.generateKey(aesGcm, false, ['decrypt'])],
  ['a key that scripts can read', () => crypto.subtle.generateKey(aesGcm, true, ['encrypt', 'decrypt'])],
  ['too few bytes', () => new Uint8Array(31)],
  ['no bytes', () => new Uint8Array(0)],
  ['text', () => 'key'],
  ['null', () => null],
])(
  '%s instead of the key is replaced by a key: the session counts as absent, and the next one is kept',
  async (_what, create) => {
    const name = freshName()
    await indexedDBStore({ name }).save(stored)
    await set('key', await create(), open(name))
    const store = indexedDBStore({ name })
    expect(await store.load()).toBeUndefined()
    expect(await store.save({ ...stored, sessionId: 'session-2' })).toBe(true)
    expect(await indexedDBStore({ name }).load()).toMatchObject({ sessionId: 'session-2' })
    expect(await get('key', open(name))).toMatchObject({ algorithm: aesGcm, extractable: false })
    expect(await store.clear({ sessionId: 'session-2' })).toBe(true)
    expect(await store.load()).toBeUndefined()
  },
)

test('two vaults that replace a key at once use the same one', async () => {
  for (let round = 0; round < 10; round += 1) {
    const name = freshName()
    const [one, other] = [openVault(name), openVault(name)]
    await set('key', 'text', open(name))
    const [first, second] = await Promise.all([one.seal('a', 'from one'), other.seal('b', 'from the other')])
    expect(await other.open('a', first)).toBe('from one')
    expect(await one.open('b', second)).toBe('from the other')
  }
})

test('a worker with the old key uses the new one for a record that the old key cannot open', async () => {
  const name = freshName()
  const [one, other] = [indexedDBStore({ name }), indexedDBStore({ name })]
  await one.save(stored)
  await set('key', 'text', open(name))
  await other.save({ ...stored, sessionId: 'session-2' })
  expect(await one.load()).toMatchObject({ sessionId: 'session-2' })
  await one.save({ ...stored, sessionId: 'session-3' })
  expect(await other.load()).toMatchObject({ sessionId: 'session-3' })
})

test('if the key cannot be read, neither the key nor the session is deleted (I7)', async () => {
  const name = freshName()
  await indexedDBStore({ name }).save(stored)
  const { get: read } = IDBObjectStore.prototype
  const failing = vi.spyOn(IDBObjectStore.prototype, 'get').mockImplementation(function (this: IDBObjectStore, key) {
    if (key === 'key') throw new DOMException('The disk has failed', 'UnknownError')
    return read.call(this, key)
  })
  const store = indexedDBStore({ name })
  await expect(store.load()).rejects.toMatchObject({ name: 'UnknownError' })
  await expect(store.save({ ...stored, version: 8 })).rejects.toMatchObject({ name: 'UnknownError' })
  failing.mockRestore()
  expect(await store.load()).toEqual(stored)
})

test('a sign-in can begin after a page has replaced the key of the transactions', async () => {
  const name = freshName()
  await indexedDBTransactions(name).put(transaction, now)
  await set('key', await crypto.subtle.generateKey({ name: 'HMAC', hash: 'SHA-256' }, false, ['sign']), open(name))
  await indexedDBTransactions(name).put({ ...transaction, state: 'second' }, now)
  expect(await indexedDBTransactions(name).take('second', now)).toMatchObject({ state: 'second' })
  expect(await indexedDBTransactions(name).take('secret-state', now)).toBeUndefined()
})

test('if a CryptoKey cannot be stored, its bytes are, and the session survives (SharedWorkers of WebKit)', async () => {
  const name = freshName()
  const { put } = IDBObjectStore.prototype
  const refusing = vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementation(function (
    this: IDBObjectStore,
    value: unknown,
    key?: IDBValidKey,
  ) {
    if (value instanceof CryptoKey) throw new DOMException('The object can not be cloned.', 'DataCloneError')
    return put.call(this, value, key)
  })
  try {
    await Promise.all([indexedDBStore({ name }).save(stored), indexedDBStore({ name }).load()])
    expect(await indexedDBStore({ name }).load()).toEqual(stored)
    expect(await dump(name)).not.toContain('secret')
  } finally {
    refusing.mockRestore()
  }
  // A worker that can store a CryptoKey uses the stored bytes.
  const store = indexedDBStore({ name })
  expect(await store.load()).toEqual(stored)
  await store.save({ ...stored, version: 8 })
  expect(await indexedDBStore({ name }).load()).toMatchObject({ version: 8 })
})

function deleteDatabase(name: string): Promise<'deleted' | 'blocked'> {
  return new Promise((resolve) => {
    const request = indexedDB.deleteDatabase(name)
    request.onsuccess = () => resolve('deleted')
    request.onblocked = () => resolve('blocked')
  })
}

test('a store does not block the deletion of its database, and works again afterwards', async () => {
  const name = freshName()
  const store = indexedDBStore({ name })
  await store.save(stored)
  expect(await deleteDatabase(name)).toBe('deleted')
  expect(await store.load()).toBeUndefined()
  await store.save(stored)
  expect(await indexedDBStore({ name }).load(), 'with a key that is kept').toEqual(stored)
})

test('a database that was closed without an event is opened again', async () => {
  const name = freshName()
  const store = indexedDBStore({ name })
  await store.save(stored)
  const { transaction } = IDBDatabase.prototype
  const closing = vi.spyOn(IDBDatabase.prototype, 'transaction').mockImplementationOnce(function (this: IDBDatabase) {
    this.close()
    return transaction.call(this, 'entries')
  })
  expect(await store.load()).toEqual(stored)
  closing.mockRestore()
})
