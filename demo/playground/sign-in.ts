import type { Snapshot } from 'lingpai'
import { askForAccount } from '../control.ts'
import { find } from '../page/element.ts'
import { fill, language } from '../page/language.ts'
import { nameOf } from '../page/user.ts'
import { session } from '../session.ts'
import { onPress } from './press.ts'
import { texts } from './texts.ts'

export const accounts = ['alice', 'bob'] as const
export type Account = (typeof accounts)[number]

type Via = 'popup' | 'redirect'
type Begin = (account: Account) => void | Promise<void>

/** The first step: sign-in and sign-out. `onBegin` is called with the requested account. */
export function createSignIn(countTabs: () => number, onBegin: Begin) {
  let pending: Via | undefined
  let snapshot: Snapshot = session.getSnapshot()

  function draw(): void {
    const isSignedIn = snapshot.status === 'signed-in'
    fill(find('sign-in-line', HTMLElement), describe(isSignedIn))
    if (isSignedIn || snapshot.status === 'signed-out') showActions(isSignedIn)
    // The main button is the next step.
    find('sign-in-popup', HTMLElement).classList.toggle('main', !isSignedIn)
    find('fire-storm', HTMLElement).classList.toggle('main', isSignedIn)
  }

  function describe(isSignedIn: boolean): string {
    if (pending === 'popup') return texts().signInPending
    if (pending === 'redirect') return texts().leaving
    return isSignedIn ? texts().signedIn(nameOf(snapshot.user), countTabs()) : texts().signInHint
  }

  async function signInAs(account: Account, via: Via, begin = onBegin): Promise<void> {
    pending = via
    draw()
    try {
      await begin(account)
      // Called soon enough after the click that the browser allows the popup.
      await askForAccount(account, language.get() === 'zh' ? 'zh-CN' : 'en')
      await session.signIn({ via, returnTo: location.pathname })
      if (via === 'popup') pending = undefined
    } catch (error) {
      pending = undefined
      throw error
    } finally {
      draw()
    }
  }

  onPress('sign-in-popup', () => signInAs('alice', 'popup'))
  onPress('sign-in-bob', () => signInAs('bob', 'popup'))
  onPress('sign-in-redirect', () => signInAs('alice', 'redirect'))
  language.follow(draw)

  return {
    draw,
    show(next: Snapshot): void {
      snapshot = next
      draw()
    },
    /** The account of the two that is not signed in. */
    other: (): Account => (snapshot.user?.subject === 'bob' || snapshot.status !== 'signed-in' ? 'alice' : 'bob'),
    signInAs,
  }
}

function showActions(isSignedIn: boolean): void {
  const groups = [find('signed-out-actions', HTMLElement), find('signed-in-actions', HTMLElement)] as const
  const [shown, hidden] = isSignedIn ? [groups[1], groups[0]] : groups
  const hadFocus = hidden.contains(document.activeElement)
  shown.hidden = false
  hidden.hidden = true
  // The pressed button is hidden now. Without this, the keyboard focus would return to the top of the page.
  if (hadFocus) shown.querySelector('button')?.focus()
}
