import type { Snapshot } from 'lingpai'
import { find } from '../page/element.ts'
import { fill, language } from '../page/language.ts'
import { nameOf } from '../page/user.ts'
import { session } from '../session.ts'
import { onPress } from './press.ts'
import { texts } from './texts.ts'

type Progress = 'none' | 'pending' | 'leaving'

/** The first step: signing in, and out again. */
export function createSignIn(countTabs: () => number) {
  let progress: Progress = 'none'
  let snapshot: Snapshot = session.getSnapshot()

  function draw(): void {
    const isSignedIn = snapshot.status === 'signed-in'
    fill(find('sign-in-line', HTMLElement), describe(isSignedIn))
    if (isSignedIn || snapshot.status === 'signed-out') showActions(isSignedIn)
    // The main button is what to press next.
    find('sign-in-popup', HTMLElement).classList.toggle('main', !isSignedIn)
    find('fire-storm', HTMLElement).classList.toggle('main', isSignedIn)
  }

  function describe(isSignedIn: boolean): string {
    if (isSignedIn) return texts().signedIn(nameOf(snapshot.user), countTabs())
    if (progress === 'pending') return texts().signInPending
    return progress === 'leaving' ? texts().leaving : texts().signInHint
  }

  async function during(stage: Progress, work: () => Promise<void>): Promise<void> {
    progress = stage
    draw()
    try {
      await work()
    } catch (error) {
      progress = 'none'
      throw error
    } finally {
      if (stage === 'pending') progress = 'none'
      draw()
    }
  }

  onPress('sign-in-popup', () => during('pending', () => session.signIn({ via: 'popup' })))
  onPress('sign-in-redirect', () =>
    during('leaving', () => session.signIn({ via: 'redirect', returnTo: location.pathname })),
  )
  onPress('sign-out', () => session.signOut())
  language.follow(draw)

  return {
    show(next: Snapshot): void {
      snapshot = next
      draw()
    },
    draw,
  }
}

function showActions(isSignedIn: boolean): void {
  const groups = [find('signed-out-actions', HTMLElement), find('signed-in-actions', HTMLElement)] as const
  const [shown, hidden] = isSignedIn ? [groups[1], groups[0]] : groups
  const hadFocus = hidden.contains(document.activeElement)
  shown.hidden = false
  hidden.hidden = true
  // The button that was pressed has gone; without this, the keyboard would start at the top of the page again.
  if (hadFocus) shown.querySelector('button')?.focus()
}
