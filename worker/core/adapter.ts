import type { CancelSignal } from '../../src/protocol/cancel-signal.ts'
import type { CallEntry, HistoryEntry } from '../../src/protocol/history.ts'
import type { ReceivedTokens } from '../../src/protocol/received-tokens.ts'

// Both threads share these.
export type { CancelSignal, ReceivedTokens }

export type MaybePromise<T> = T | Promise<T>

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
}

/** What a store keeps. */
export interface StoredSession {
  /** Version of this record's layout. */
  readonly format: 1
  /** A random name, made at each sign-in: generation and version count within one worker, and alike in others. */
  readonly sessionId: string
  readonly generation: number
  readonly version: number
  /** When the user signed in, in milliseconds since 1970. */
  readonly signedInAt: number
  readonly tokens: TokenSet
  /** The last refresh of these tokens that some worker has begun, until it brings new ones. */
  readonly marker?: RefreshMarker
}

/** Told by one worker to the others, and to the next one: a refresh is under way, or has failed. */
export interface RefreshMarker {
  readonly id: string
  /** The worker that has begun it. */
  readonly owner: string
  readonly isOver: boolean
  /** While it is under way, when its outcome counts as unknown; once it is over, before when none may follow. */
  readonly until: number
  /** How far that was ahead when it was written, in milliseconds: a clock set back since must not make it longer. */
  readonly pause: number
  /** Attempts in a row that ended without a token, and whether one of them ended without an answer. */
  readonly failures: number
  readonly outcomeLost: boolean
}

/** What a store must hold for a conditional write: what is absent here may be anything. */
export interface StoredState {
  readonly sessionId?: string
  readonly version?: number
  /** The marker's id, or null for none. */
  readonly marker?: string | null
}

/** Keeps the session across restarts of the worker. Every method may be synchronous or return a promise. */
export interface Store {
  load(): MaybePromise<StoredSession | undefined>
  /**
   * With `replaces`, it must change nothing and return false where the store holds anything else, or with null, anything
   * at all; in one step, so that of two workers that save at once, one is told. Only a store with a `sharedName` is
   * asked so; and only that may refuse any save, where a later build has left a record of a format unknown to this one.
   */
  // biome-ignore lint/suspicious/noConfusingVoidType: a store that is not shared has nothing to say
  save(session: StoredSession, replaces?: StoredState | null): MaybePromise<boolean | void>
  /**
   * Deletes whatever there is. With `only`, it must delete nothing else, nor ever such a record; it returns false where
   * the store holds these.
   */
  // biome-ignore lint/suspicious/noConfusingVoidType: as above
  clear(only?: StoredState): MaybePromise<boolean | void>
  /** Other workers of this origin reach the same record, and each other, under this name: they keep one session. */
  readonly sharedName?: string
  /** Whether the session ends with the worker: nothing is written that another worker could read. Default false. */
  readonly isVolatile?: boolean
}

/** What an OAuth sign-in must remember between the redirect and the callback. Holds no token. */
export interface Transaction {
  /** The `state` parameter, by which the callback is matched to its sign-in (RFC 6749 §10.12). */
  readonly state: string
  readonly [name: string]: unknown
}

/** Keeps sign-in transactions while the user is at the provider, at most ten minutes. Each is taken once. */
export interface TransactionStore {
  put(transaction: Transaction, now: number): Promise<void>
  /** Takes a transaction out: it is gone afterwards, and its state is known as used until it would have expired. */
  take(state: string, now: number): Promise<Transaction | 'used' | undefined>
  clear(): Promise<void>
}

/** One HTTP request of a grant. */
export interface GrantRequest {
  readonly url: string
  /** Default `GET`, or `POST` where there is a body. */
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** The server cannot have acted on it: a refresh that only got as far as this may be sent again. */
  readonly isReadOnly?: boolean
}

/** The answer to a {@link GrantRequest}, whatever its status. */
export interface GrantResponse {
  readonly status: number
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** What a grant may use of its host. */
export interface GrantIO {
  /**
   * Sends a request by the host's transport, and resolves with every HTTP status. Redirects are not followed, since they
   * would carry a refresh token elsewhere (RFC 9700 §4.11). Rejects where no answer came.
   */
  send(request: GrantRequest): Promise<GrantResponse>
  /** Aborts when the result is no longer wanted: time is up, the user signed out, another sign-in took over. */
  readonly signal: CancelSignal
  /** WeChat only: a fresh code from `wx.login`. */
  readonly login?: () => Promise<string>
  /** The app's own origin, which redirect URIs are resolved against. */
  readonly origin: string
}

/** How a session begins, is refreshed, and ends. Only `refresh` is required. */
export interface Grant<SignInInput = unknown> {
  /** Signs in with what a page passed to `session.signIn`: a password form's fields, a code from `wx.login`. */
  signIn?(input: SignInInput, io: GrantIO): Promise<ReceivedTokens>
  /** Begins a sign-in that the user completes elsewhere. */
  authorize?(
    input: { readonly via: string; readonly returnTo?: string },
    io: GrantIO,
  ): Promise<{ url: string; transaction: Transaction }>
  /** Completes what `authorize` began. */
  callback?(url: string, transaction: Transaction, io: GrantIO): Promise<ReceivedTokens>
  /**
   * Gets new tokens for old ones. A field that is absent from the result keeps its old value (RFC 6749 §6).
   *
   * Throw `rejected()` to end the session, `refused()` where the server did not process the request. Where it throws
   * something else, the status of its last request decides: 400 and 401 are rejected, 429 and 503 refused, and after
   * anything else nobody knows whether the server has rotated the refresh token.
   */
  refresh(tokens: TokenSet, io: GrantIO): Promise<ReceivedTokens>
  /**
   * Revokes the tokens, within five seconds; what it throws is only noted. With `everywhere` it may return the URL that
   * ends the provider's own session, and is also called where nobody is signed in here: then there are no tokens.
   */
  signOut?(
    tokens: TokenSet | undefined,
    io: GrantIO & { readonly everywhere: boolean },
  ): Promise<{ url?: string }> | Promise<void>
  /** The methods of its requests, where they are known beforehand: a mini program has no PATCH, and says so at the start. */
  readonly methods?: readonly string[]
  /** Checks its configuration, once, when `serve` starts. Throws a LingpaiError `invalid_config`. */
  validate?(): void
}

/** What a signer sees of a request, and may change. */
export interface SignableRequest {
  readonly url: string
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  /** The data of `session.request`; absent for `session.fetch`, whose bodies are not looked into. */
  readonly data?: unknown
}

/** Signs a request. Called in the worker before every attempt, so that timestamp and nonce are fresh. */
export type Signer = (request: SignableRequest) => MaybePromise<SignableRequest>

/** How refreshes are done. Times are milliseconds. */
export interface RefreshOptions {
  /** How long before its expiry a token is refreshed. Default: a fifth of its life, at most 60,000. */
  readonly margin?: number
  /**
   * How long one refresh request may take before its outcome counts as unknown. Default 10,000: shorter than the 30,000
   * that a caller waits, so that where an answer is lost, the refresh can be sent again while the callers still wait.
   * Where workers share a store, the looks into it before count, too, and a twentieth is left for storing what it brings.
   */
  readonly timeout?: number
  /** The longest pause between two attempts while the token server is failing. Default 60,000, at least 12,000. */
  readonly retry?: number
  /**
   * What to do where nobody knows whether the server has processed a refresh. `resend` (the default) sends the same
   * refresh token again; `sign-in` ends the session, for servers that punish re-use without a grace period.
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
   * Runs work that no other worker runs at the same time, so far as the host can: after waiting for so many milliseconds
   * it runs beside whoever has not finished. May reject at any time; the work goes on.
   */
  exclusive(work: () => Promise<void>, timeout: number): Promise<void>
  /** Tells the others that the store has changed. */
  announce(): void
  /** Calls the listener where another worker says so, or anybody else on the origin: it must only look. */
  onHint(listener: () => void): void
}

type WithoutFields<Entry, Name extends string> = Entry extends unknown ? Omit<Entry, Name> : never

/** An entry as the broker keeps it: whose worker and page it is of, the host knows. */
export type HistoryRecord =
  | WithoutFields<CallEntry, 'instance' | 'page' | 'own'>
  | WithoutFields<Exclude<HistoryEntry, CallEntry>, 'instance' | 'own'>

/** What is to be recorded: the rest is known to the broker. */
export type HistoryNote = WithoutFields<HistoryRecord, 'number' | 'at' | 'generation' | 'version'>
