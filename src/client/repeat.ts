import type { Arguments, Connection, Method } from '../connect/connection.ts'
import type { CancelSignal } from '../protocol/cancel-signal.ts'
import { isLingpaiError, LingpaiError } from '../protocol/errors.ts'
import type { Welcome } from '../protocol/handshake.ts'
import type { Caller } from '../protocol/snapshot.ts'
import type { WireApiRequest } from '../protocol/wire.ts'

export interface OpenConnection extends Connection {
  readonly welcome: Welcome
}

/** A call whose worker is lost each time is not repeated for ever. */
export const MAX_REPEATS = 3

/** Methods that are repeated after the worker is lost. A sign-in is not: its code or password may have been used up. */
const REPEATABLE: ReadonlySet<Method> = new Set([
  'request',
  'authorize',
  'signOut',
  'adopt',
  'getAccessToken',
  'explain',
])

/** Whether a request may be sent twice; the safe methods may, too (RFC 9110 §9.2.2). */
export function isIdempotent({ method }: { readonly method: string }): boolean {
  return ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'].includes(method)
}

export function isWorkerLost(error: unknown): boolean {
  return isLingpaiError(error) && error.code === 'worker_lost'
}

/** How often a call is repeated at most. Undefined for a method that is not repeated and not bound to one user. */
export function repeatsOf<Name extends Method>(name: Name, given: Arguments<Name>): number | undefined {
  if (!REPEATABLE.has(name)) return undefined
  return name === 'request' && !isIdempotent(given[0] as WireApiRequest) ? 0 : MAX_REPEATS
}

/** With `caller` null, the work is repeated whatever user is signed in: then only the worker decides. */
export type Repeat = <T>(
  work: (connection: OpenConnection, caller: Caller | undefined) => Promise<T>,
  signal: CancelSignal,
  repeats?: number,
  caller?: Caller | null | undefined,
) => Promise<T>

export function createRepeat(
  connected: (signal: CancelSignal) => Promise<OpenConnection>,
  currentCaller: () => Caller | undefined,
): Repeat {
  async function repeat<T>(
    work: (connection: OpenConnection, caller: Caller | undefined) => Promise<T>,
    signal: CancelSignal,
    repeats = MAX_REPEATS,
    caller: Caller | null | undefined = currentCaller(),
    failure?: unknown,
  ): Promise<T> {
    const connection = await connected(signal)
    const now = currentCaller()
    // What one user asked for is never done for another (I6).
    if (caller && now && !isSameUser(caller, now))
      throw failure ?? new LingpaiError('sign_in_required', 'Another user has signed in.')
    try {
      return await work(connection, caller ?? undefined)
    } catch (error) {
      if (!isWorkerLost(error) || signal.aborted || repeats === 0) throw error
      // A call that was made before its page knew a user may have been sent for the one that the page shows now.
      return repeat(work, signal, repeats - 1, caller === undefined ? (now ?? currentCaller()) : caller, error)
    }
  }

  return repeat
}

function isSameUser(one: Caller, other: Caller): boolean {
  return one.session === other.session || (one.subject !== undefined && one.subject === other.subject)
}
