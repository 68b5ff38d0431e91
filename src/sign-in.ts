import { type Client, CONTROL_DEADLINE } from './client/client.ts'
import { LingpaiError } from './protocol/errors.ts'
import type { AuthorizeInput } from './protocol/methods.ts'

/** How often to check whether the user has closed the popup: browsers have no event for it. In milliseconds. */
const POPUP_POLL = 300
/** If the page that opened the callback page has not answered by then, the callback page completes the sign-in. In milliseconds. */
const HAND_OVER_TIMEOUT = 1000

const POPUP_FEATURES = 'popup,width=480,height=640'

/** Parameters of an authorization response, which must not stay in the address bar (RFC 6749 §4.1.2, OpenID Connect). */
const CALLBACK_PARAMETERS = ['code', 'state', 'iss', 'session_state', 'error', 'error_description', 'error_uri']

interface CallbackMessage {
  readonly lingpai: 'callback' | 'callback-taken'
  readonly url?: string
}

export interface SignIn {
  signIn(input: unknown): Promise<void>
  completeSignIn(url: string): Promise<{ returnTo?: string }>
}

export function createSignIn(client: Client): SignIn {
  /** The last call of `completeSignIn`: a callback can be used once. */
  let latest: { readonly url: string; readonly outcome: Promise<{ returnTo?: string }> } | undefined

  async function authorize({ via, returnTo }: AuthorizeInput): Promise<string> {
    const input = { via, ...(returnTo !== undefined && { returnTo: toReturnTo(returnTo) }) }
    return (await client.call('authorize', [input], { deadline: CONTROL_DEADLINE })).url
  }

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
      popup.location.href = await authorize(input)
      await complete(await waitForCallback(popup))
    } finally {
      popup.close()
    }
  }

  async function completeCallback(url: string): Promise<{ returnTo?: string }> {
    cleanAddressBar()
    const opener = getOpener()
    if (opener && (await handOver(opener, url))) {
      window.close()
      return {}
    }
    return complete(url)
  }

  return {
    async signIn(input) {
      if (!isAuthorizeInput(input)) return client.call('signIn', [input])
      if (input.via === 'popup') return viaPopup(input)
      window.location.assign(await authorize(input))
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
  // The path of "/.//evil.example" is "//evil.example": on its own, that names another host.
  if (url?.origin !== location.origin || url.pathname.startsWith('//'))
    throw new LingpaiError('invalid_call', 'returnTo must be a path of this app.')
  return url.pathname + url.search + url.hash
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

function waitForCallback(popup: Window): Promise<string> {
  return new Promise((resolve, reject) => {
    const finish = () => {
      clearInterval(timer)
      stop()
    }
    const stop = listen(popup, 'callback', (url) => {
      finish()
      popup.postMessage({ lingpai: 'callback-taken' } satisfies CallbackMessage, location.origin)
      resolve(url)
    })
    const timer = setInterval(() => {
      if (!popup.closed) return
      finish()
      reject(new LingpaiError('sign_in_cancelled', 'The user closed the popup.'))
    }, POPUP_POLL)
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

/** Gives the callback to the page that waits for it. Resolves with false if that page does not wait for a callback. */
function handOver(opener: Window, url: string): Promise<boolean> {
  return new Promise((resolve) => {
    const finish = (isTaken: boolean) => {
      clearTimeout(timer)
      stop()
      resolve(isTaken)
    }
    const stop = listen(opener, 'callback-taken', () => finish(true))
    const timer = setTimeout(() => finish(false), HAND_OVER_TIMEOUT)
    opener.postMessage({ lingpai: 'callback', url } satisfies CallbackMessage, location.origin)
  })
}
