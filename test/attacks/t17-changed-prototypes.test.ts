import { expect } from 'vitest'
import { test } from '../fixtures/attack-test.ts'
import { callApi, findTokens, signIn, waitForStatus } from '../fixtures/tabs.ts'

test('a page whose built-ins are replaced before lingpai loads sees no token (T17)', async ({ app, context }) => {
  const page = await context.newPage()
  await page.addInitScript(() => {
    const seen: string[] = []
    const note = (value: unknown) => {
      try {
        seen.push(typeof value === 'string' ? value : (JSON.stringify(value) ?? ''))
      } catch {
        seen.push(String(value))
      }
    }
    const spy = (holder: Record<string, unknown>, name: string) => {
      const original = holder[name] as (...given: unknown[]) => unknown
      holder[name] = function (this: unknown, ...given: unknown[]) {
        for (const value of [this, ...given]) if (value !== window) note(value)
        const result = Reflect.apply(original, this, given)
        note(result)
        return result
      }
    }
    const { stringify } = JSON
    JSON.stringify = stringify
    for (const [holder, names] of [
      [MessagePort.prototype, ['postMessage']],
      [Headers.prototype, ['set', 'append', 'get']],
      [window, ['fetch', 'structuredClone', 'atob', 'btoa']],
      [Storage.prototype, ['setItem', 'getItem']],
      [IDBObjectStore.prototype, ['put', 'get', 'add']],
      [SubtleCrypto.prototype, ['encrypt', 'decrypt', 'digest', 'sign']],
      [TextDecoder.prototype, ['decode']],
      [URLSearchParams.prototype, ['get', 'set', 'append']],
      [Response.prototype, ['json', 'text']],
    ] as unknown as [Record<string, unknown>, string[]][]) {
      for (const name of names) spy(holder, name)
    }
    addEventListener('message', ({ data }) => note(data), true)
    const { addEventListener: listen } = MessagePort.prototype
    MessagePort.prototype.addEventListener = function (this: MessagePort, type: string, ...rest: unknown[]) {
      listen.call(this, type, (event) => note((event as MessageEvent).data))
      return Reflect.apply(listen, this, [type, ...rest])
    }
    Object.defineProperty(Object.prototype, 'accessToken', { set: note, get: () => undefined, configurable: true })
    Object.defineProperty(Object.prototype, 'refreshToken', { set: note, get: () => undefined, configurable: true })
    Object.assign(window, { seen })
  })
  await page.goto(app.origin)
  await page.waitForFunction(() => window.session?.getSnapshot().status === 'signed-out')
  await signIn(page)
  app.authorizationServer.expireAccessTokens()
  expect(await callApi(page, 5)).toEqual(Array(5).fill(200))
  await page.evaluate(() => window.session.request({ url: `${window.api}/orders` }))
  await waitForStatus(page, 'signed-in')
  const seen = await page.evaluate(() => (window as unknown as { seen: string[] }).seen.join('\n'))
  expect(seen).toContain('/orders')
  expect(app.authorizationServer.issuedTokens.length).toBeGreaterThan(4)
  expect(findTokens(app, seen)).toEqual([])
})
