import { type Client, CONTROL_DEADLINE } from './client/client.ts'
import { pause, platformTimers, type Timers } from './connect/timers.ts'
import { LingpaiError } from './protocol/errors.ts'
import type { AuthorizeInput, BegunSignIn } from './protocol/methods.ts'

/** How often to check whether the user has closed the popup: browsers have no event for it. In milliseconds. */
const POPUP_POLL = 300
/** A popup that was closed so many checks ago, for 3 s, brings no callback any more. */
const CLOSED_CHECKS = 10
/** If the page that opened the callback page has not answered by then, the callback page completes the sign-in. In milliseconds. */
const HAND_OVER_TIMEOUT = 1000

const POPUP_FEATURES = 'popup,width=480,height=640'

/** For popups without an opener: `Cross-Origin-Opener-Policy` cuts that link. Any script of the origin can listen. */
const CHANNEL = 'lingpai-callback'
/** The entry in the `sessionStorage` of a tab that left for the provider. */
const REDIRECT = 'lingpai-redirect'

/** Parameters of an authorization response, which must not stay in the address bar (RFC 6749 §4.1.2, OpenID Connect). */
const CALLBACK_PARAMETERS = ['code', 'state', 'iss', 'session_state', 'error', 'error_description', 'error_uri']

interface CallbackMessage {
  readonly lingpai: 'callback' | 'callback-taken'
  readonly url?: string
  readonly state?: string | null
}

/** The sign-in for which this tab left the app. No secret: scripts of the app can read it. */
interface Redirect extends Omit<BegunSignIn, 'url'> {
  readonly input: AuthorizeInput
  /** Whether this sign-in stands in for one that was lost. */
  readonly isSecond: boolean
}

export interface SignIn {
  signIn(input: unknown): Promise<void>
  completeSignIn(url: string): Promise<{ returnTo?: string }>
}

export function createSignIn(client: Client, timers: Timers = platformTimers): SignIn {
  /** The last call of `completeSignIn`: a callback can be used once. */
  let latest: { readonly url: string; readonly outcome: Promise<{ returnTo?: string }> } | undefined

  const authorize = (input: AuthorizeInput) => client.call('authorize', [input], { deadline: CONTROL_DEADLINE })

  const complete = (url: string) => client.call('callback', [url])

  async function viaPopup(input: AuthorizeInput): Promise<void> {
    // Opened before any await: later, the browser no longer connects it with the user's click and blocks it.
    const popup = window.open('', '_blank', POPUP_FEATURES)
    if (popup === null) {
      throw new LingpaiError(
        'popup_blocked',
        'The browser blocked the popup. Call signIn from a click, or use a redirect.',
      )
    }
    try {
      const { url, state } = await authorize(input)
      popup.location.href = url
      await complete(await waitForCallback(popup, state, timers))
    } finally {
      popup.close()
    }
  }

  /** Leaves for the provider. With `lost`, only if this is a later worker of the same session. */
  async function viaRedirect(input: AuthorizeInput, lost?: Redirect): Promise<void> {
    const { url, ...begun } = await authorize(input)
    if (lost && (begun.session !== lost.session || begun.worker === lost.worker)) return
    keepRedirect({ ...begun, input, isSecond: !!lost })
    window.location.assign(url)
    // By then, the page has been left, unless the provider cannot be reached.
    if (lost) await pause(CONTROL_DEADLINE, timers)
  }

  async function completeCallback(url: string): Promise<{ returnTo?: string }> {
    cleanAddressBar()
    const redirect = readRedirect()
    const state = new URL(url).searchParams.get('state')
    const isOwn = redirect?.state === state
    if (!isOwn && (await handOver({ lingpai: 'callback', url, state }, timers))) {
      window.close()
      return {}
    }
    try {
      const completed = await complete(url)
      if (isOwn) keepRedirect(null)
      return completed
    } catch (error) {
      const isLost = isOwn && redirect?.session && !redirect.isSecond
      if (isLost && (error as LingpaiError).code === 'state_mismatch') await viaRedirect(redirect.input, redirect)
      throw error
    }
  }

  return {
    async signIn(input) {
      if (!isAuthorizeInput(input)) return client.call('signIn', [input])
      const { via, returnTo } = input
      const checked = { via, ...(returnTo !== undefined && { returnTo: toReturnTo(returnTo) }) }
      await (via === 'popup' ? viaPopup(checked) : viaRedirect(checked))
    },

    async completeSignIn(url) {
      if (!URL.canParse(url)) throw new LingpaiError('invalid_call', 'completeSignIn takes location.href.')
      // React's StrictMode calls twice: the second call finds an address bar without parameters.
      if (latest && (latest.url === url || !isCallback(url))) return latest.outcome
      latest = { url, outcome: completeCallback(url) }
      return latest.outcome
    },
  }
}

function isCallback(url: string): boolean {
  return /[?&](code|error|state)=/.test(url)
}

function isAuthorizeInput(input: unknown): input is AuthorizeInput {
  const via = (input as { via?: unknown } | null | undefined)?.via
  return via === 'redirect' || via === 'popup'
}

/** Allows only a path of the app: any other URL would make the callback page an open redirector (RFC 9700 §4.11.1). */
function toReturnTo(returnTo: unknown): string {
  const url =
    typeof returnTo === 'string' && URL.canParse(returnTo, location.href) ? new URL(returnTo, location.href) : undefined
  // The path of "/.//evil.example" is "//evil.example": on its own, that names another host. That of a blob: URL is a URL.
  if (url?.origin !== location.origin || !/^\/(?!\/)/.test(url.pathname))
    throw new LingpaiError('invalid_call', 'returnTo must be a path of this app.')
  return url.pathname + url.search + url.hash
}

function readRedirect(): Redirect | null {
  try {
    return JSON.parse(sessionStorage.getItem(REDIRECT) as string)
  } catch {
    return null
  }
}

/** Without storage, a sign-in that was lost is not begun again. */
function keepRedirect(redirect: Redirect | null): void {
  try {
    sessionStorage.setItem(REDIRECT, JSON.stringify(redirect))
  } catch {}
}

function cleanAddressBar(): void {
  const url = new URL(location.href)
  for (const name of CALLBACK_PARAMETERS) url.searchParams.delete(name)
  if (url.href !== location.href) history.replaceState(history.state, '', url)
}

/** Listens for one kind of message from one window of this app. Returns a function that stops listening. */
function listen(window: Window, kind: CallbackMessage['lingpai'], listener: (url: string) => void): () => void {
  const onMessage = ({ source, origin, data }: MessageEvent<CallbackMessage | null>) => {
    if (source === window && origin === location.origin && data?.lingpai === kind) listener(data.url as string)
  }
  addEventListener('message', onMessage)
  return () => removeEventListener('message', onMessage)
}

/** Listens for messages about one sign-in from any window of this app. */
function openChannel(kind: CallbackMessage['lingpai'], state: unknown, listener: (url: string) => void) {
  const channel = new BroadcastChannel(CHANNEL)
  channel.onmessage = ({ data }: MessageEvent<CallbackMessage | null>) => {
    if (data?.lingpai === kind && data.state === state) listener(data.url as string)
  }
  return channel
}

function waitForCallback(popup: Window, state: string, timers: Timers): Promise<string> {
  return new Promise((resolve, reject) => {
    let timer: unknown
    const finish = () => {
      timers.clearTimeout(timer)
      stop()
      channel.close()
    }
    const take = (url: string, sender: Pick<Window, 'postMessage'>) => {
      sender.postMessage({ lingpai: 'callback-taken', state } satisfies CallbackMessage, location.origin)
      finish()
      resolve(url)
    }
    const stop = listen(popup, 'callback', (url) => take(url, popup))
    const channel = openChannel('callback', state, (url) => take(url, channel))
    const check = (closedChecks: number) => {
      timer = timers.setTimeout(() => {
        // If the link is cut, an open popup looks closed. Then this page does not have the focus.
        if (!popup.closed || !document.hasFocus()) check(0)
        else if (closedChecks < CLOSED_CHECKS) check(closedChecks + 1)
        else {
          finish()
          reject(new LingpaiError('sign_in_cancelled', 'The user closed the popup.'))
        }
      }, POPUP_POLL)
    }
    check(0)
  })
}

/** The page that opened this one, if it belongs to the same app. */
function getOpener(): Window | undefined {
  try {
    const opener = window.opener as Window | null
    return opener?.location.origin === location.origin ? opener : undefined
  } catch {
    return undefined
  }
}

/** Gives the callback to the page that waits for it. Resolves with false if no page takes it. */
function handOver(message: CallbackMessage, timers: Timers): Promise<boolean> {
  return new Promise((resolve) => {
    const finish = (isTaken: boolean) => {
      timers.clearTimeout(timer)
      stop?.()
      channel.close()
      resolve(isTaken)
    }
    const opener = getOpener()
    const stop = opener && listen(opener, 'callback-taken', () => finish(true))
    const channel = openChannel('callback-taken', message.state, () => finish(true))
    const timer = timers.setTimeout(() => finish(false), HAND_OVER_TIMEOUT)
    const recipient: Pick<Window, 'postMessage'> = opener ?? channel
    recipient.postMessage(message, location.origin)
  })
}
