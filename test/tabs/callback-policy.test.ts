import { expect } from 'vitest'
import { test as base } from '../fixtures/tab-test.ts'
import { fillSignInForm, signIn } from '../fixtures/tabs.ts'
import { startTestApp } from '../fixtures/test-app.ts'

/** An app whose callback page, or every page, cuts its links to windows of other origins (docs/hardening.md). */
const it = base
  // biome-ignore lint/correctness/noEmptyPattern: Vitest reads from this pattern which fixtures are used.
  .extend('app', { scope: 'file' }, async ({}, { onCleanup }) => {
    const app = await startTestApp({
      headers({ pathname, searchParams }) {
        const policy = pathname === '/callback.html' ? 'same-origin' : searchParams.get('opener')
        return policy === null || policy === undefined ? {} : { 'Cross-Origin-Opener-Policy': policy }
      },
    })
    onCleanup(() => app.close())
    return app
  })

it.for(['', 'same-origin-allow-popups', 'same-origin'])(
  'a sign-in by popup succeeds if the callback page says same-origin and the app says "%s"',
  async (policy, { openTab }) => {
    const tab = await openTab(policy === '' ? '/' : `/?opener=${policy}`)
    const opening = tab.context().waitForEvent('page')
    await tab.evaluate(() => {
      const outcome = window.session.signIn({ via: 'popup' }).then(
        () => 'signed in',
        (error) => error.code,
      )
      Object.assign(window, { outcome })
      // The driver emulates the focus of every page; in a browser, the popup has it.
      document.hasFocus = () => false
    })
    const popup = await opening
    await popup.waitForSelector('#account')
    await fillSignInForm(popup)
    expect(await tab.evaluate(() => (window as unknown as { outcome: Promise<string> }).outcome)).toBe('signed in')
  },
)

it('a sign-in by redirect succeeds if both pages say same-origin', async ({ openTab }) => {
  const tab = await openTab('/?opener=same-origin')
  await signIn(tab)
  expect(await tab.evaluate(() => window.session.getSnapshot().user?.subject)).toBe('alice')
})
