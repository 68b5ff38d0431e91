import { type Client, CONTROL_DEADLINE } from './client/client.ts'
import type { Timers } from './connect/timers.ts'
import { createFetch, type FetchOptions, type SessionFetch } from './fetch/fetch.ts'
import type { AuthorizeInput } from './protocol/methods.ts'
import { createRequest, type SessionRequest } from './request.ts'
import type { SessionBase } from './session-base.ts'
import { createSignIn } from './sign-in.ts'

/** The session, as a page uses it. Every method is bound, so that it can be passed on alone. */
export interface Session<SignInInput = unknown> extends SessionBase {
  /** `window.fetch`, signed in: assignable to `typeof fetch`. An error of lingpai is a `TypeError` with a `code`. */
  readonly fetch: SessionFetch
  /** Calls an API that uses JSON, and unwraps the envelope of its answer. */
  readonly request: SessionRequest
  /**
   * Signs in, in the worker. `{via: 'redirect'}` leaves the page. `{via: 'popup'}` must be called from a click. Any other
   * input goes to the grant's `signIn`.
   *
   * Rejects with `sign_in_failed` (`apiCode`), `sign_in_cancelled`, `popup_blocked`, `network_error`, `timeout`,
   * `invalid_call`.
   */
  readonly signIn: (input: SignInInput | AuthorizeInput) => Promise<void>
  /**
   * Completes a sign-in on the callback page: pass `location.href`. Resolves with the `returnTo` of `signIn`, and removes the
   * parameters from the address bar. In a popup it closes the window. A second call of this page for the same callback, or
   * with the cleaned address, gets the result of the first call.
   *
   * Rejects with `state_missing`, `state_mismatch`, `state_used`, `sign_in_cancelled`, `sign_in_failed`, `network_error`.
   */
  readonly completeSignIn: (url: string) => Promise<{ returnTo?: string }>
  /**
   * Ends the session in every tab, and revokes its tokens (RFC 7009). With `everywhere`, it also ends the provider's
   * session, by leaving the page. In this browser the session ends at once, even if the server does not answer.
   *
   * Rejects with `store_failed` if the stored session could not be deleted, and with `network_error` if `everywhere` failed.
   */
  readonly signOut: (options?: { readonly everywhere?: boolean }) => Promise<void>
}

/** The session over a connected client. */
export function createSession<SignInInput>(
  client: Client,
  fetchOptions?: FetchOptions,
  timers?: Timers,
): Session<SignInInput> {
  const options = { deadline: CONTROL_DEADLINE }
  return Object.freeze({
    fetch: createFetch(client, fetchOptions),
    request: createRequest(client, fetchOptions?.pageFetch),
    ...createSignIn(client, timers),
    async signOut(choice) {
      const { url } = await client.call('signOut', [choice?.everywhere === true], options)
      if (url !== undefined) window.location.assign(url)
    },
    adopt: (tokens) => client.call('adopt', [tokens], options),
    getAccessToken: () => client.call('getAccessToken', [], options),
    getSnapshot: client.getSnapshot,
    ready: client.ready,
    subscribe: client.subscribe,
    explain: (part = {}) => client.call('explain', [part], options),
    close: client.close,
  } satisfies Session<SignInInput>)
}
