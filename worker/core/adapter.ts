import type { CancelSignal } from '../../src/protocol/cancel-signal.ts'
import type { CallEntry, HistoryEntry } from '../../src/protocol/history.ts'
import type { ReceivedTokens } from '../../src/protocol/received-tokens.ts'

// Both threads share these.
export type { CancelSignal, ReceivedTokens }

type MaybePromise<T> = T | Promise<T>

/** A token set as the broker holds it. Times are milliseconds since 1970, on the local clock. */
export interface TokenSet {
  readonly accessToken: string
  readonly tokenType: string
  readonly receivedAt: number
  readonly expiresAt?: number
  readonly refreshToken?: string
  readonly scope?: string
  readonly subject?: string
  readonly profile?: Readonly<Record<string, unknown>>
  /** The key that the tokens are bound to, for {@link Grant.prove}. A store keeps it as it is (structured clone), or not at all. */
  readonly key?: object
}

/** The record that a store keeps. */
export interface StoredSession {
  /** Version of this record's layout. */
  readonly format: 1
  /** A random id, new at each sign-in. Two workers may count the same generation and version for different sessions. */
  readonly sessionId: string
  readonly generation: number
  readonly version: number
  /** When the user signed in, in milliseconds since 1970. */
  readonly signedInAt: number
  readonly tokens: TokenSet
  /** The last refresh of these tokens that a worker began. New tokens are stored without a marker. */
  readonly marker?: RefreshMarker
}

/** Shows the other workers, and the next worker, that a refresh is in flight or has failed. */
export interface RefreshMarker {
  readonly id: string
  /** The id of the worker that began the refresh. */
  readonly owner: string
  readonly isOver: boolean
  /** While the refresh is in flight: from then on its outcome counts as unknown. After it failed: the next may begin then. */
  readonly until: number
  /** Milliseconds from the write of the marker to `until`: the wait must not become longer if the clock is set back. */
  readonly pause: number
  /** Refreshes in a row that ended without a token. */
  readonly failures: number
  /** Whether one of them ended without a response. */
  readonly outcomeLost: boolean
}

/** The state that a store must hold for a conditional write. An absent field may have any value. */
export interface StoredState {
  readonly sessionId?: string
  readonly version?: number
  /** The marker's id, or null for a record without a marker. */
  readonly marker?: string | null
}

/** Keeps the session across restarts of the worker. Every method may be synchronous or return a promise. */
export interface Store {
  load(): MaybePromise<StoredSession | undefined>
  /**
   * Saves the session. With `replaces`, the store must be in that state, or be empty for null; otherwise the method changes
   * nothing and returns false. The check and the write must be one step: if two workers save at once, one gets false. Only
   * a store with a `sharedName` gets `replaces`. Such a store also returns false, in any case, if it holds a record of a
   * later build in a format that this build does not know.
   */
  // biome-ignore lint/suspicious/noConfusingVoidType: a store that is not shared returns nothing
  save(session: StoredSession, replaces?: StoredState | null): MaybePromise<boolean | void>
  /**
   * Deletes the record. With `only`, the method deletes a record in that state, and never a record of a later build. If
   * the store holds another record, it returns false.
   */
  // biome-ignore lint/suspicious/noConfusingVoidType: as above
  clear(only?: StoredState): MaybePromise<boolean | void>
  /** The name of the record that the workers of this origin share: they keep one session, and find each other by it. */
  readonly sharedName?: string
  /** Whether the session ends with the worker, because no other worker can read what is saved. Default false. */
  readonly isVolatile?: boolean
}

/** The data of an OAuth sign-in between the redirect and the callback. Holds no token. */
export interface Transaction {
  /** The `state` parameter, which matches the callback to its sign-in (RFC 6749 §10.12). */
  readonly state: string
  readonly [name: string]: unknown
}

/** Keeps sign-in transactions while the user is at the provider, at most ten minutes. Each is taken once. */
export interface TransactionStore {
  /** If the transactions end with the worker: names its session, and itself by a random id. */
  readonly owner?: { readonly session: string; readonly worker: string } | undefined
  put(transaction: Transaction, now: number): Promise<void>
  /** Removes a transaction and returns it. Until it would have expired, its state counts as used. */
  take(state: string, now: number): Promise<Transaction | 'used' | undefined>
  clear(): Promise<void>
}

/** One HTTP request of a grant. */
export interface GrantRequest {
  readonly url: string
  /** Default `GET`, or `POST` if there is a body. */
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /**
   * Whether cookies are sent and kept, for example a refresh token in an `HttpOnly` cookie. Default `omit`. The server must
   * allow it to the app's origin (Fetch §3.2.5). A mini program has no cookies: there, `include` is `invalid_config`.
   */
  readonly credentials?: 'omit' | 'include'
  /** Whether the request changes nothing on the server: a refresh that failed here may be sent again. */
  readonly isReadOnly?: boolean
}

/** The response to a {@link GrantRequest}, with any status. */
export interface GrantResponse {
  readonly status: number
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** The functions of the host that a grant may use. */
export interface GrantIO {
  /**
   * Sends a request by the host's transport. Resolves with any HTTP status, and rejects if there was no response.
   * Redirects are not followed, because they would carry a refresh token to another server (RFC 9700 §4.11).
   */
  send(request: GrantRequest): Promise<GrantResponse>
  /** Aborts if the result is no longer wanted: at the timeout, after a sign-out, or after a newer sign-in. */
  readonly signal: CancelSignal
  /** WeChat only: gets a new code from `wx.login`. */
  readonly login?: () => Promise<string>
  /** The app's own origin, which redirect URIs are resolved against. */
  readonly origin: string
}

/** The part of an API's response that a grant reads to judge its proof. */
export interface ProvenAnswer {
  readonly status: number
  readonly headers: { get(name: string): string | null }
  readonly body: { cancel(): Promise<void> } | null
}

/** How a session begins, is refreshed, and ends. Only `refresh` is required. */
export interface Grant<SignInInput = unknown> {
  /** Names the server and the client. A callback is completed only by a worker whose grant has the same name. */
  readonly name?: string
  /** Signs in with the page's input of `session.signIn`, for example a form's fields or a code from `wx.login`. */
  signIn?(input: SignInInput, io: GrantIO): Promise<ReceivedTokens>
  /** Begins a sign-in that the user completes at the provider. */
  authorize?(
    input: { readonly via: string; readonly returnTo?: string },
    io: GrantIO,
  ): Promise<{ url: string; transaction: Transaction }>
  /** Completes a sign-in that `authorize` began. */
  callback?(url: string, transaction: Transaction, io: GrantIO): Promise<ReceivedTokens>
  /**
   * Gets new tokens for old ones. A field that is absent from the result keeps its old value (RFC 6749 §6).
   *
   * Throw `rejected()` to end the session, and `refused()` if the server did not process the request. After any other
   * error, the status of the last request decides: 400 and 401 are rejected, 429 and 503 are refused. With another status,
   * or without a response, the outcome is unknown: the server may have rotated the refresh token.
   *
   * Leave it out if the server has no refresh: a token is then used until it expires or an API refuses it, and the session
   * ends.
   */
  refresh?(tokens: TokenSet, io: GrantIO): Promise<ReceivedTokens>
  /**
   * Revokes the tokens, within five seconds. An error is only recorded. With `everywhere`, the method may return the URL
   * that ends the provider's own session. It is then also called if no user is signed in here, without tokens.
   */
  signOut?(
    tokens: TokenSet | undefined,
    io: GrantIO & { readonly everywhere: boolean },
  ): Promise<{ url?: string }> | Promise<void>
  /**
   * Sends one attempt of an API request with a proof that its sender holds the key of the tokens. `send` takes the name and
   * value of the proof's header. If the API refused only the proof, the grant may call `send` again, unless the body is a stream.
   */
  prove?<Answer extends ProvenAnswer>(
    tokens: { readonly accessToken: string; readonly key?: object | undefined },
    request: { readonly url: string; readonly method: string; readonly body?: unknown },
    send: (proof?: [string, string]) => Promise<Answer>,
  ): Promise<Answer>
  /** The methods of the grant's requests, if they are known. A mini program has no PATCH, so `serve` rejects it at the start. */
  readonly methods?: readonly string[]
  /** Checks the grant's configuration, once, when `serve` starts. Throws a LingpaiError `invalid_config`. */
  validate?(): void
}

/** The parts of a request that a signer can read and change. */
export interface SignableRequest {
  readonly url: string
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  /** The data of `session.request`. Absent for `session.fetch`, whose bodies are not parsed. */
  readonly data?: unknown
}

/** Signs a request. Called in the worker before every attempt, so that timestamp and nonce are fresh. */
export type Signer = (request: SignableRequest) => MaybePromise<SignableRequest>

/** The options of refreshes. Times are milliseconds. */
export interface RefreshOptions {
  /** How long before its expiry a token is refreshed. Default: a fifth of its life, at most 60,000. */
  readonly margin?: number
  /**
   * How long one refresh request may take before its outcome counts as unknown. Default 10,000: a caller waits 30,000, so
   * that a refresh whose response is lost can be sent again while its callers still wait. If workers share a store, this
   * time includes the reads of the store before the request. The last twentieth is kept for storing the result.
   */
  readonly timeout?: number
  /** The longest pause between two attempts while the token server is failing. Default 60,000, at least 12,000. */
  readonly retry?: number
  /**
   * What to do if it is unknown whether the server has processed a refresh. `resend` (the default) sends the same refresh
   * token again. `sign-in` ends the session, for servers whose reuse detection has no grace period.
   */
  readonly onUnknownOutcome?: 'resend' | 'sign-in'
}

/** The clock, timers and randomness of the host. */
export interface Platform {
  now(): number
  setTimeout(callback: () => void, milliseconds: number): unknown
  clearTimeout(timer: unknown): void
  /** Uniform in [0, 1). */
  random(): number
  createAbort(): { readonly signal: CancelSignal; abort(reason?: unknown): void }
}

/** The other workers that keep their session in the same store. */
export interface Peers {
  /**
   * Runs work that no other worker runs at the same time, if the host has locks. After the timeout in milliseconds, it
   * starts although the lock holder has not finished. May reject at any time; the work goes on.
   */
  exclusive(work: (hasTimedOut?: boolean) => Promise<void>, timeout: number): Promise<void>
  /** No worker was at work while the lock was held: the lock is not waited for in the next minutes. */
  distrust?(): void
  /** Sends the other workers a hint that the store has changed. */
  announce(): void
  /** Calls the listener at each hint. Any script of the origin can send hints, so the listener must only read the store. */
  onHint(listener: () => void): void
}

type WithoutFields<Entry, Name extends string> = Entry extends unknown ? Omit<Entry, Name> : never

/** An entry as the broker keeps it. The host adds the worker and the page. */
export type HistoryRecord =
  | WithoutFields<CallEntry, 'instance' | 'page' | 'own'>
  | WithoutFields<Exclude<HistoryEntry, CallEntry>, 'instance' | 'own'>

/** An entry before the broker adds its number, its time and the state of the session. */
export type HistoryNote = WithoutFields<HistoryRecord, 'number' | 'at' | 'generation' | 'version'>
