import type { Grant, TokenSet } from '../adapter.ts'
import { toTokenSet } from '../token-set.ts'
import { RefreshVerdict, refused, rejected, toVerdict } from '../verdict.ts'
import { type GrantRunHost, startGrantRun } from './grant-run.ts'
import type { Machine } from './machine.ts'

/** Has the grant refresh, and reports the new tokens or the verdict. */
export async function runRefresh(
  { platform, dispatch }: Machine,
  host: GrantRunHost,
  grant: Grant,
  { flight, tokens, timeout }: { readonly flight: number; readonly tokens: TokenSet; readonly timeout: number },
): Promise<void> {
  const run = startGrantRun(host, { timeout })
  try {
    const received = await run.run((io) => {
      if (grant.refresh === undefined) throw rejected('token_expired')
      return grant.refresh(tokens, io)
    })
    dispatch({ type: 'refreshSucceeded', flight, tokens: toTokenSet(received, platform.now(), tokens) })
  } catch (thrown) {
    const isUnsent = run.hasOnlyRead() && !(thrown instanceof RefreshVerdict)
    const cause = isUnsent ? refused({ reason: 'not_sent' }) : thrown
    const { verdict, message, retryAfter } = toVerdict(cause, run.lastStatus(), run.retryAfter())
    dispatch({
      type: 'refreshEnded',
      flight,
      verdict,
      reason: message,
      retryAfter,
      now: platform.now(),
      random: platform.random(),
    })
  }
}
