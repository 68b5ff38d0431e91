import { DEFAULT_TIMEOUT } from '../../../src/protocol/deadline.ts'
import { LingpaiError, tokenServerUnreachable } from '../../../src/protocol/errors.ts'
import type { Permit, TokenRequest } from '../session/events.ts'
import type { SessionState } from '../session/state.ts'
import type { Call } from './call.ts'
import { limitWait, type Machine } from './machine.ts'

/** A permit, a refusal, or undefined: the API's answer goes to the caller as it is. */
type Outcome = Permit | undefined | LingpaiError

interface Waiter {
  readonly request: TokenRequest
  settle(outcome: Outcome): void
}

/**
 * The calls that wait for a token. A waiter has no place in a queue: after each change of the session, the rules decide
 * again for every waiter.
 */
export function createWaiters(machine: Machine) {
  const { platform, state, dispatch, record } = machine
  const waiters = new Map<string, Waiter>()

  function ask(request: TokenRequest): void {
    dispatch({ type: 'tokenWanted', now: platform.now(), request })
  }

  function settle(call: string, outcome: Outcome): void {
    const waiter = waiters.get(call)
    waiters.delete(call)
    waiter?.settle(outcome)
  }

  return {
    settle,

    wake(): void {
      // A copy: a waiter that is settled leaves the map, and a call that joins meanwhile did not wait for this change.
      for (const { request } of [...waiters.values()]) ask(request)
    },

    /** Waits for a permit; settles by the call's deadline (I3). With `denied`, the API has refused that permit's token. */
    want(call: Call, denied?: Permit): Promise<Permit | undefined> {
      const request: TokenRequest = {
        call: call.id,
        api: call.api,
        generation: denied?.generation ?? call.generation,
        subject: denied ? denied.tokens.subject : call.subject,
        // A request that was sent before belongs to its own user, who may not be the user of the sign-in.
        signIn: denied ? undefined : call.signIn,
        waitingSince: undefined,
        deniedVersion: denied?.version,
        mayRefresh: !call.hasRefreshed,
      }
      return new Promise((resolve, reject) => {
        let stopWaiting = () => {}
        const finish = (outcome: Outcome) => {
          stopWaiting()
          // Adopted tokens may have expired before they were read: they do not count as this call's refresh.
          if (state().isAdopted) call.hasRefreshed = false
          if (outcome instanceof LingpaiError) return reject(outcome)
          // From here on, the call belongs to the session that it has waited for.
          if (outcome && call.signIn !== undefined) {
            const { generation, sessionId, tokens } = outcome
            Object.assign(call, { generation, sessionId, subject: tokens.subject, signIn: undefined })
          }
          resolve(outcome)
        }
        waiters.set(call.id, { request, settle: finish })
        ask(request)
        if (!waiters.has(call.id)) return
        // Only a call that really waits, for a refresh or a sign-in, needs a timer and a listener.
        waiters.set(call.id, { request: { ...request, waitingSince: state().version }, settle: finish })
        if (request.signIn === undefined) call.hasRefreshed = true
        record({ event: 'call-waiting', call: call.id })
        const timeout = Math.min(call.timeout ?? DEFAULT_TIMEOUT, DEFAULT_TIMEOUT)
        const limits = { timeout, onTimeout: () => explainTimeout(state(), timeout), signal: call.signal }
        stopWaiting = limitWait(platform, limits, (error) => settle(call.id, error as LingpaiError))
      })
    },
  }
}

function explainTimeout({ tokenServer, held }: SessionState, timeout: number): LingpaiError {
  if (tokenServer === 'unreachable') return tokenServerUnreachable()
  const what = held ? 'token server did not answer' : 'sign-in did not end'
  return new LingpaiError('timeout', `The ${what} within ${timeout} ms.`)
}
