import { type Client, CONTROL_DEADLINE } from './client/client.ts'
import { createFetch, type FetchOptions, type SessionFetch } from './fetch/fetch.ts'
import type { ExplainOptions, HistoryEntry } from './protocol/history.ts'
import type { AuthorizeInput } from './protocol/methods.ts'
import type { ReceivedTokens } from './protocol/received-tokens.ts'
import type { Snapshot } from './protocol/snapshot.ts'
import { createRequest, type SessionRequest } from './request.ts'
import { createSignIn } from './sign-in.ts'

/** The page's side of the session. Every method is bound, so it can be passed around on its own. */
export interface Session<SignInInput = unknown> {
  /** `window.fetch`, signed in: assignable to `typeof fetch`. Errors of ours are a `TypeError` with our `code`. */
  readonly fetch: SessionFetch
  /** A call of an API that takes and gives JSON, its envelope unwrapped. */
  readonly request: SessionRequest
  /**
   * Signs in, in the worker. `{via: 'redirect'}` leaves the page; `{via: 'popup'}` must be called from a click. Anything
   * else is for the grant's own `signIn`.
   *
   * Rejects with `sign_in_failed` (`apiCode`), `sign_in_cancelled`, `popup_blocked`, `network_error`, `timeout`,
   * `invalid_call`.
   */
  readonly signIn: (input: SignInInput | AuthorizeInput) => Promise<void>
  /**
   * Completes a sign-in on the callback page: pass `location.href`. Resolves with the `returnTo` of `signIn`, and takes the
   * parameters out of the address bar. In a popup it closes the window. A second call of this page for the same callback, or
   * with the address that is left, gets what the first one gets.
   *
   * Rejects with `state_missing`, `state_mismatch`, `state_used`, `sign_in_cancelled`, `sign_in_failed`, `network_error`.
   */
  readonly completeSignIn: (url: string) => Promise<{ returnTo?: string }>
  /**
   * Ends the session in every tab, and revokes its tokens (RFC 7009). With `everywhere`, it also ends the provider's own
   * session, by leaving the page. Here, the session is over at once, whatever the server does.
   *
   * Rejects with `store_failed` where the stored session could not be deleted, and with `network_error` where `everywhere`
   * could not be done.
   */
  readonly signOut: (options?: { readonly everywhere?: boolean }) => Promise<void>
  /**
   * Brings tokens from elsewhere, where the worker was given `adopt: true`; else rejects with `invalid_call`, and with
   * `sign_in_failed` where they are no token set.
   */
  readonly adopt: (tokens: ReceivedTokens) => Promise<void>
  /** The access token, where the worker was given `exposeAccessToken: true`; else rejects with `token_not_exposed`. */
  readonly getAccessToken: () => Promise<string>
  /** The state of the session: an immutable object, new only when something has changed. */
  readonly getSnapshot: () => Snapshot
  /** Calls the listener after each change of the snapshot. Returns what ends that. */
  readonly subscribe: (listener: () => void) => () => void
  /**
   * What happened in the worker and why, newest last, without tokens: the last 500 things, and the last 3,000 steps of calls
   * and pages. With `after`, the `number` of the last entry that is known already, only what is new.
   */
  readonly explain: (options?: ExplainOptions) => Promise<readonly HistoryEntry[]>
  /** Lets go of the worker. Calls that are pending, and all later ones, reject with `closed`; the session goes on. */
  readonly close: () => void
}

/** The session over a connected client. */
export function createSession<SignInInput>(client: Client, fetchOptions?: FetchOptions): Session<SignInInput> {
  const options = { deadline: CONTROL_DEADLINE }
  return Object.freeze({
    fetch: createFetch(client, fetchOptions),
    request: createRequest(client),
    ...createSignIn(client),
    async signOut(choice) {
      const { url } = await client.call('signOut', [choice?.everywhere === true], options)
      if (url !== undefined) window.location.assign(url)
    },
    adopt: (tokens) => client.call('adopt', [tokens], options),
    getAccessToken: () => client.call('getAccessToken', [], options),
    getSnapshot: client.getSnapshot,
    subscribe: client.subscribe,
    explain: (part = {}) => client.call('explain', [part], options),
    close: client.close,
  } satisfies Session<SignInInput>)
}
