import { delayNextRefresh, expireAccessTokens, readCounters, refuseNextRefreshes, revokeEverything } from './control.ts'
import { session } from './session.ts'
import { makeCalls } from './view/calls.ts'
import { showCounters } from './view/counters.ts'
import { describeError } from './view/describe-error.ts'
import { find, onClick } from './view/element.ts'
import { showHistory } from './view/history.ts'
import { showStatus } from './view/status.ts'
import { startTokenLife, updateTokenLife } from './view/token-life.ts'

const pollInterval = 1000

/** Says something in the card that a button belongs to, where the eyes are. */
function say(buttonId: string, text: string, kind: 'news' | 'problem' = 'news'): void {
  const notice = find(buttonId, HTMLElement).closest('.card')?.querySelector<HTMLElement>('.notice')
  if (!notice) return
  notice.textContent = text
  notice.dataset.kind = kind
}

/** Does what a button says, then shows what came of it. */
function onPress(id: string, work: () => Promise<string | undefined>): void {
  onClick(id, async () => {
    say(id, '')
    try {
      const news = await work()
      if (news !== undefined) say(id, news)
    } catch (error) {
      say(id, describeError(error), 'problem')
    }
    await update()
  })
}

async function update(): Promise<void> {
  try {
    const [history, counters] = await Promise.all([session.explain(), readCounters()])
    showHistory(history)
    showCounters(counters)
    updateTokenLife(history, session.getSnapshot().status === 'signed-in')
  } catch {
    // The status line says what is wrong with the worker; the next second tries again.
  }
}

async function poll(): Promise<void> {
  if (document.visibilityState === 'visible') await update()
  setTimeout(poll, pollInterval)
}

function onSnapshot(): void {
  showStatus(session.getSnapshot())
  void update()
}

onPress('sign-in-redirect', async () => {
  await session.signIn({ via: 'redirect', returnTo: location.pathname })
  return 'Going to the provider…'
})
onPress('sign-in-popup', async () => {
  say('sign-in-popup', 'Sign in at the provider, in the window that has opened.')
  await session.signIn({ via: 'popup' })
  return undefined
})
onPress('sign-out', async () => {
  await session.signOut()
  return 'The provider still knows you: the next sign-in asks for no password.'
})
onPress('sign-out-everywhere', async () => {
  await session.signOut({ everywhere: true })
  return 'Going to the provider, to end its session too…'
})
onClick('second-tab', () => void window.open(location.href, '_blank', 'noopener'))

for (const count of [1, 10, 50]) {
  onPress(`call-${count}`, async () => {
    await makeCalls(count)
    return undefined
  })
}

onPress('expire', async () => {
  await expireAccessTokens()
  return 'The API refuses the token from now on, and nobody has told the worker. Make some calls.'
})
onPress('slow', async () => {
  await delayNextRefresh(3000)
  return 'The next refresh takes three seconds. Expire the token and make some calls.'
})
onPress('outage', async () => {
  await refuseNextRefreshes(2)
  return 'The provider answers the next two refreshes with 503. Expire the token and make some calls.'
})
onPress('revoke', async () => {
  await revokeEverything()
  return 'The provider has revoked everything. The next refresh ends the session, once, in every tab.'
})

session.subscribe(onSnapshot)
onSnapshot()
startTokenLife()
void poll()
