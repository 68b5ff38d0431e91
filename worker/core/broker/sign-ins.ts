import { DEFAULT_TIMEOUT } from '../../../src/protocol/deadline.ts'
import { isLingpaiError, LingpaiError } from '../../../src/protocol/errors.ts'
import type { CancelSignal, Grant, GrantIO, TokenSet, TransactionStore } from '../adapter.ts'
import { optional } from '../optional-fields.ts'
import { LATER_BUILD } from '../session/state.ts'
import { toTokenSet } from '../token-set.ts'
import { type GrantRunHost, startGrantRun } from './grant-run.ts'
import { type Machine, waitFor } from './machine.ts'
import { laterBuild } from './refusals.ts'

/** The server's revocation may take this long: here, the user is signed out already. In milliseconds. */
const REVOCATION_TIMEOUT = 5000

export interface SignInOptions {
  readonly grant: Grant
  readonly host: GrantRunHost
  readonly transactions: TransactionStore
  createId(): string
  readonly ready: Promise<void>
  /** Resolves when the last save has ended. */
  readonly saved: () => Promise<void>
}

/** Runs sign-ins, one at a time: a newer sign-in, or a sign-out, cancels the one before, whose tokens are dropped (I5). */
export function createSignIns(machine: Machine, options: SignInOptions) {
  const { grant, host, transactions, createId, ready, saved } = options
  const { platform, state, dispatch, record } = machine
  const running = new Map<number, { abort(reason: unknown): void }>()
  let last = 0

  async function run(signal: CancelSignal, work: (io: GrantIO) => Promise<unknown>): Promise<void> {
    // Without a wait if the store has been read: a call that comes right after the sign-in must find it in progress.
    if (state().loading === 'pending') await ready
    if (state().reason === LATER_BUILD) throw laterBuild()
    const signIn = ++last
    const grantRun = startGrantRun(host, { letsRequestsEnd: true })
    const onAbort = () => grantRun.abort(cancelled())
    if (signal.aborted) throw cancelled()
    signal.addEventListener('abort', onAbort)
    running.set(signIn, grantRun)
    dispatch({ type: 'signInStarted', signIn })
    try {
      const received = await grantRun.run(work, (late) => dropLate(signIn, late))
      const tokens = toTokenSet(received, platform.now())
      const isWanted = state().signIn === signIn
      dispatch({ type: 'signInSucceeded', signIn, tokens, sessionId: createId() })
      if (!isWanted) throw cancelled()
      const { generation } = state()
      await saved()
      if (state().reason === LATER_BUILD) throw laterBuild()
      if (state().generation !== generation) throw cancelled()
    } catch (thrown) {
      const error = toSignInError(thrown)
      dispatch({ type: 'signInFailed', signIn, reason: error.code })
      throw error
    } finally {
      running.delete(signIn)
      signal.removeEventListener('abort', onAbort)
    }
  }

  /** Has tokens revoked that arrived after their sign-in was cancelled. */
  function dropLate(signIn: number, received: unknown): void {
    let tokens: TokenSet
    try {
      tokens = toTokenSet(received, platform.now())
    } catch {
      return
    }
    // For a moment, an aborted sign-in may still be the current one.
    dispatch({ type: 'signInFailed', signIn, reason: 'sign_in_cancelled' })
    dispatch({ type: 'signInSucceeded', signIn, tokens, sessionId: createId() })
  }

  return {
    /** The number of the last sign-in that began. */
    last: () => last,

    abandon(signIn: number): void {
      running.get(signIn)?.abort(cancelled())
    },

    async signIn(input: unknown, signal: CancelSignal): Promise<void> {
      await run(signal, async (io) => {
        if (grant.signIn === undefined) {
          throw new LingpaiError(
            'invalid_call',
            'This grant has no signIn. With oauth(), call session.signIn({via: "redirect"}).',
          )
        }
        return grant.signIn(input, io)
      })
    },

    async adopt(received: unknown): Promise<void> {
      await run(platform.createAbort().signal, async () => received)
    },

    /** Begins a sign-in that the user completes at the provider. */
    async begin(
      input: { readonly via: string; readonly returnTo?: string },
      signal: CancelSignal,
    ): Promise<{ url: string; state: string; session?: string; worker?: string }> {
      await ready
      const grantRun = startGrantRun(host, { timeout: DEFAULT_TIMEOUT })
      if (signal.aborted) throw cancelled()
      signal.addEventListener('abort', () => grantRun.abort(cancelled()))
      try {
        const { url, transaction } = await grantRun.run(async (io) => {
          if (grant.authorize === undefined || grant.callback === undefined) {
            throw new LingpaiError('invalid_call', 'This grant has no authorize: pass the input of its signIn.')
          }
          return grant.authorize(input, io)
        })
        const kept = { ...transaction, via: input.via, ...optional({ returnTo: input.returnTo }) }
        await waitFor(platform, () => transactions.put(kept, platform.now()), { timeout: DEFAULT_TIMEOUT })
        record({ event: 'sign-in-begun' })
        return { url, state: kept.state, ...transactions.owner }
      } catch (thrown) {
        throw toSignInError(thrown)
      }
    },

    /** Completes a sign-in with the URL that the provider sent the user back to. */
    async complete(
      url: string,
      stateParameter: string | undefined,
      signal: CancelSignal,
    ): Promise<{ returnTo?: string }> {
      await ready
      if (stateParameter === undefined) {
        throw new LingpaiError('state_missing', 'This URL is not a sign-in callback: it has no state.')
      }
      const taking = () => transactions.take(stateParameter, platform.now())
      const transaction = await waitFor(platform, taking, { timeout: DEFAULT_TIMEOUT })
      if (transaction === undefined) {
        throw new LingpaiError(
          'state_mismatch',
          'This callback does not match a sign-in that this browser started in the last 10 minutes. Sign in again.',
        )
      }
      if (transaction === 'used') {
        throw new LingpaiError(
          'state_used',
          'This callback was used before, perhaps by a reload. Continue with the session as it is.',
        )
      }
      await run(signal, async (io) => {
        if (grant.callback === undefined) throw new LingpaiError('invalid_call', 'This grant has no callback.')
        return grant.callback(url, transaction, io)
      })
      const { returnTo } = transaction
      return typeof returnTo === 'string' ? { returnTo } : {}
    },

    /** Asks the server to revoke the tokens. Resolves with undefined if that failed. */
    async revoke(tokens: TokenSet | undefined, everywhere: boolean): Promise<{ url?: string } | undefined> {
      if (grant.signOut === undefined || (tokens === undefined && !everywhere)) return {}
      try {
        const grantRun = startGrantRun(host, { timeout: REVOCATION_TIMEOUT })
        return await grantRun.run(async (io) => (await grant.signOut?.(tokens, { ...io, everywhere })) ?? {})
      } catch {
        // Here, the session has ended. On the server, it ends when its tokens expire.
        record({ event: 'revocation-failed' })
        return undefined
      }
    },
  }
}

function cancelled(): LingpaiError {
  return new LingpaiError(
    'sign_in_cancelled',
    'The sign-in was cancelled, or another sign-in or a sign-out replaced it.',
  )
}

function toSignInError(thrown: unknown): LingpaiError {
  if (isLingpaiError(thrown)) return thrown as LingpaiError
  // The text of a SyntaxError quotes the response that could not be read, which may hold a token (I11).
  const isQuote = thrown instanceof SyntaxError
  const why = isQuote ? 'the response is not JSON' : thrown instanceof Error ? thrown.message : String(thrown)
  return new LingpaiError('sign_in_failed', `The sign-in failed: ${why}`)
}
