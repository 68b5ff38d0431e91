import { expect } from 'vitest'
import { test } from '../fixtures/attack-test.ts'
import { callApi, openTab, signIn } from '../fixtures/tabs.ts'

test('a page cannot put tokens into a worker that does not adopt them (T13)', async ({ attacker, expectUnharmed }) => {
  const codes = await attacker.evaluate(async () => {
    const port = await window.openRawPort()
    await port.hello()
    const tokens = { accessToken: 'mine', refreshToken: 'mine', subject: 'mallory', expiresIn: 900 }
    const replies = [await port.call('adopt', tokens), await port.call('adopt', { ...tokens, tokenType: 'Bearer' })]
    return [
      ...replies.map(({ value }) => value?.code),
      await window.session.adopt(tokens).catch((error) => error.code),
      await port.call('signIn', 'a', tokens).then(({ value }) => value?.code),
    ]
  })
  expect(codes.slice(0, 3)).toEqual(['invalid_call', 'invalid_call', 'invalid_call'])
  expect(codes[3]).toMatch(/^(invalid_call|sign_in_failed|invalid_config)$/)
  await expectUnharmed()
})

test('a session of another user that a script has sealed into the store shows in every tab, before any call has its token (T13)', async ({
  app,
  browser,
}) => {
  const context = await browser.newContext()
  try {
    const tab = await openTab(context, app, '/?worker=stored')
    await signIn(tab)
    const other = await openTab(context, app, '/?worker=stored')
    const before = app.api.requests.length
    // The script decrypts the session, changes the user and the token, and seals it again as the next version.
    await tab.evaluate(async () => {
      const finished = <T>(request: IDBRequest<T>) =>
        new Promise<T>((resolve, reject) => {
          request.onsuccess = () => resolve(request.result)
          request.onerror = () => reject(request.error)
        })
      const database = await finished(indexedDB.open('lingpai'))
      const entries = (mode: IDBTransactionMode) => database.transaction('entries', mode).objectStore('entries')
      const key = await finished<CryptoKey>(entries('readonly').get('key'))
      const entry = await finished(entries('readonly').get('session'))
      const nameOf = ({ sessionId, version, marker }: Record<string, unknown>) =>
        new TextEncoder().encode(JSON.stringify(['session', entry.format, sessionId, version, marker]))
      const plain = await crypto.subtle.decrypt(
        { name: 'AES-GCM', iv: entry.iv, additionalData: nameOf(entry.state) },
        key,
        entry.data,
      )
      const session = JSON.parse(new TextDecoder().decode(plain))
      const forged = {
        ...session,
        version: session.version + 1,
        tokens: { ...session.tokens, accessToken: 'token-of-mallory', subject: 'mallory', profile: { name: 'M' } },
      }
      const state = { ...entry.state, version: forged.version }
      const iv = crypto.getRandomValues(new Uint8Array(12))
      const data = await crypto.subtle.encrypt(
        { name: 'AES-GCM', iv, additionalData: nameOf(state) },
        key,
        new TextEncoder().encode(JSON.stringify(forged)),
      )
      await finished(entries('readwrite').put({ ...entry, iv, data, state }, 'session'))
      database.close()
      new BroadcastChannel('lingpai:lingpai').postMessage(0)
    })
    await Promise.all([tab, other].map((page) => callApi(page, 2)))
    const snapshots = await Promise.all([tab, other].map((page) => page.evaluate(() => window.session.getSnapshot())))
    expect(snapshots[0]).toEqual(snapshots[1])
    const sent = app.api.requests.slice(before).filter(({ path }) => path === '/orders')
    const isMallorySent = sent.some(({ headers }) => headers.authorization?.includes('mallory'))
    const shown = await Promise.all(
      [tab, other].map((page) => page.evaluate(() => window.changes.map(({ user }) => user?.subject))),
    )
    // Who the store names, who the snapshot names and whose token is sent are one.
    if (isMallorySent) for (const subjects of shown) expect(subjects).toContain('mallory')
    // The forged session has alice's refresh token. What it brings is hers, so the session ends.
    expect(snapshots[0]).toMatchObject({ status: 'signed-out', reason: 'subject_changed' })
  } finally {
    await context.close()
  }
})
