import type { Snapshot } from 'lingpai'
import { find } from './element.ts'

const modes: Readonly<Record<Snapshot['mode'], string>> = {
  shared: 'a SharedWorker, for all tabs',
  dedicated: 'a Worker of this tab',
  wechat: "a mini program's worker",
  inline: 'in this page',
}

const reasons: Readonly<Record<string, string>> = {
  refresh_rejected: 'the provider no longer accepts the refresh token',
  refresh_answer_lost: 'the answer to a refresh was lost, and the provider took the next one for theft',
  refresh_failed: 'the provider says that the app is set up wrongly',
  session_too_old: 'the session has reached its greatest age',
  store_failed: 'the browser did not store the session; it lives in memory',
  blocked: 'the worker has not answered yet; asking again',
  worker_lost: 'the worker is gone; starting it again',
  worker_failed: 'the worker could not be started',
}

/** Shows what the session is: who, where, and whether the token server can be reached. */
export function showStatus({ status, user, mode, tokenServer, reason }: Snapshot): void {
  const card = find('session', HTMLElement)
  card.dataset.status = status
  find('status', HTMLElement).textContent = describeStatus(status, user)
  find('email', HTMLElement).textContent = status === 'signed-in' ? readText(user?.profile, 'email') : ''
  find('mode', HTMLElement).textContent = modes[mode]
  find('token-server', HTMLElement).textContent = tokenServer === 'ok' ? 'ok' : 'unreachable, trying again'
  find('token-server', HTMLElement).dataset.state = tokenServer
  find('reason-line', HTMLElement).hidden = reason === undefined
  find('reason', HTMLElement).textContent = reason === undefined ? '' : describeReason(reason)
  showButtons(status === 'signed-in')
}

function describeStatus(status: Snapshot['status'], user: Snapshot['user']): string {
  switch (status) {
    case 'connecting':
      return 'Connecting to the worker…'
    case 'signing-in':
      return 'Signing in…'
    case 'signed-out':
      return 'Signed out'
    default:
      return `Signed in as ${readText(user?.profile, 'name') || user?.subject || 'somebody'}`
  }
}

function describeReason(reason: string): string {
  const description = reasons[reason]
  return description === undefined ? reason : `${reason}: ${description}`
}

function showButtons(isSignedIn: boolean): void {
  const groups = [find('signed-out-actions', HTMLElement), find('signed-in-actions', HTMLElement)] as const
  const [shown, hidden] = isSignedIn ? [groups[1], groups[0]] : groups
  const hadFocus = hidden.contains(document.activeElement)
  shown.hidden = false
  hidden.hidden = true
  // The button that was pressed has gone; without this, the keyboard would start at the top of the page again.
  if (hadFocus) shown.querySelector('button')?.focus()
}

function readText(profile: Readonly<Record<string, unknown>> | undefined, name: string): string {
  const value = profile?.[name]
  return typeof value === 'string' ? value : ''
}
