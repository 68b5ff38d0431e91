// @ts-check
const session = 'worker/core/session'
const broker = 'worker/core/broker'

/**
 * Realistic defects, some from real changes. The simulation must detect each of them by an invariant. `search` must occur
 * exactly once, so that a change of that text also updates the defect. `from` is a seed shortly before the first one that
 * finds a rare defect.
 *
 * @type {readonly { name: string, from?: number, file: string, search: string, replace: string }[]}
 */
export const bugs = [
  {
    name: 'no single flight',
    file: `${session}/authorize.ts`,
    search: "  if (refresh.kind !== 'idle' && refresh.kind !== 'failed') {",
    replace: '  if (false) {',
  },
  {
    name: 'no generation fence: a response to a refresh is accepted after the session has changed',
    file: `${session}/refresh.ts`,
    search: "  if (refresh.kind !== 'sending' || refresh.flight !== flight) {\n    // If another",
    replace: '  if (false) {\n    // If another',
  },
  {
    name: 'a cancelled sign-in is accepted',
    file: `${session}/sign-in.ts`,
    search: '  if (session.signIn !== signIn) {',
    replace: '  if (false) {',
  },
  {
    name: 'a server error ends the session',
    file: 'worker/core/verdict.ts',
    search: 'lastStatus === 400 || lastStatus === 401',
    replace: 'lastStatus >= 400',
  },
  {
    name: 'a network error ends the session',
    file: 'worker/core/verdict.ts',
    search: "return new RefreshVerdict('unknown', lastStatus",
    replace: "return new RefreshVerdict('rejected', lastStatus",
  },
  {
    name: 'the old refresh token is kept after a rotation',
    file: 'worker/core/token-set.ts',
    search: 'refreshToken: refreshToken ?? previous?.refreshToken',
    replace: 'refreshToken: previous?.refreshToken ?? refreshToken',
  },
  {
    name: 'calls that wait for a refresh are forgotten',
    file: `${broker}/waiters.ts`,
    search: 'for (const { request } of [...waiters.values()]) ask(request)',
    replace: '',
  },
  {
    name: 'a rejected refresh does not reject the waiting calls',
    file: `${broker}/broker.ts`,
    search: 'waiters.settle(call, toRefusal(code, reason))',
    replace: 'undefined',
  },
  {
    name: 'attempts follow each other without a pause',
    file: `${session}/refresh.ts`,
    search: 'const delay = asked === undefined ? retryDelay(failures, event.random, rules.retry) : shortest',
    replace: 'const delay = 0',
  },
  {
    name: 'Retry-After is not read',
    file: `${session}/refresh.ts`,
    search: 'const asked = clampRetryAfter(event.retryAfter)',
    replace: 'const asked = clampRetryAfter(undefined)',
  },
  {
    name: 'a rejected refresh token is sent again',
    file: `${session}/refresh.ts`,
    search: "  if (verdict === 'rejected') {",
    replace: '  if (false) {',
  },
  {
    name: 'the tokens of another user are accepted at a refresh',
    file: `${session}/refresh.ts`,
    search: '  if (held?.subject !== undefined && tokens.subject !== held.subject) {',
    replace: '  if (false) {',
  },
  {
    name: 'the session goes on after a refresh with the tokens of another user',
    file: `${session}/refresh.ts`,
    search: "return settleRejection(session, flight, SUBJECT_CHANGED, rules, [ended, { do: 'revoke', tokens }])",
    replace: "return [{ ...session, refresh: { kind: 'idle' } }, [ended, { do: 'revoke', tokens }, { do: 'wake' }]]",
  },
  {
    name: 'the lock is held after the refresh is over',
    file: `${broker}/store-access.ts`,
    search: 'if (exclusive !== undefined && !isExclusive(state(), exclusive.flight)) {',
    replace: 'if (false) {',
  },
  {
    name: 'no marker: the next worker does not know of an interrupted refresh',
    file: `${session}/claim.ts`,
    search: '    ? writeClaim(session, claim, state, now, rules)',
    replace: '    ? sendRefresh(session, claim, state)',
  },
  {
    name: 'a marker that another worker has written meanwhile is ignored',
    file: `${session}/claim.ts`,
    search: "const isOutdated = outcome === 'conflict' || now >= until",
    replace: 'const isOutdated = now >= until',
  },
  {
    name: 'a failure is not sent to the other workers',
    from: 2500,
    file: `${session}/claim.ts`,
    search: 'if (rules.owner === undefined || marked === undefined || !session.isStored) return []',
    replace: 'if (true) return []',
  },
  {
    name: 'the store is overwritten without a check of its content',
    file: `${broker}/broker.ts`,
    search: 'saving = access.save(flight, session, replaces)',
    replace: 'saving = access.save(flight, session)',
  },
  {
    name: 'a sign-out leaves the store as it is',
    file: `${session}/ending.ts`,
    search: '...clearStore(session, rules), ',
    replace: '',
  },
  {
    name: "another worker's session is adopted without a new generation",
    file: `${session}/follow.ts`,
    search: '    isAdopted: true,\n    generation: session.generation + 1,',
    replace: '    isAdopted: true,\n    generation: session.generation,',
  },
  {
    name: 'the session that a page saw does not count',
    file: `${broker}/broker.ts`,
    search: 'if (caller === undefined || caller.session === sessionId) {',
    replace: 'if (true) {',
  },
  {
    name: 'expired tokens of another worker are treated as new',
    from: 6530,
    file: `${session}/authorize.ts`,
    search: 'request.waitingSince < session.version && !session.isAdopted',
    replace: 'request.waitingSince < session.version',
  },
  {
    name: "the wait for another worker's refresh depends only on the clock",
    from: 15_900,
    file: `${session}/claim.ts`,
    search: 'const left = Math.min(until - now, known)',
    replace: 'const left = until - now',
  },
  {
    name: "a later build's record is ignored",
    file: `${session}/follow.ts`,
    search: "  if (comparison === 'later-format') return leaveSession(session, LATER_BUILD)\n",
    replace: '',
  },
  {
    name: 'a failed read of the store is not retried',
    from: 350,
    file: `${broker}/store-access.ts`,
    search: "if (read.kind === 'unreadable') readTimer = startTimer(platform, 5 * STORE_TIMEOUT, onHint)",
    replace: '',
  },
  {
    name: 'the lock is released during a refresh of a session that has ended',
    from: 27700,
    file: `${broker}/store-access.ts`,
    search: '        await unfinished\n',
    replace: '',
  },
  {
    name: 'the timeout of a refresh starts after the wait for the lock',
    from: 81_800,
    file: `${broker}/store-access.ts`,
    search: 'const left = exclusive ? exclusive.until - platform.now() : refreshTimeout',
    replace: 'const left = refreshTimeout',
  },
  {
    name: 'replays without a limit',
    file: 'worker/core/broker/request-loop.ts',
    search: '  const second = await send(next, true)\n',
    replace: '  if (next) return runRequest(broker, call, send)\n  const second = await send(next, true)\n',
  },
  {
    name: 'an API that refuses every token causes a refresh at each call',
    file: `${session}/authorize.ts`,
    search:
      "const kept = isDue || refresh.kind === 'failed' ? undefined : keepDuringPause(session, held, request, now)",
    replace: 'const kept = undefined',
  },
  {
    name: 'a replay that is refused again ends the pause of its API',
    file: 'worker/core/broker/request-loop.ts',
    search: 'if (!second.isTokenDenied) broker.acceptReplay(call)',
    replace: 'broker.acceptReplay(call)',
  },
  {
    name: 'a 401 for an old token causes a refresh',
    file: `${session}/authorize.ts`,
    search: 'const isDenied = deniedVersion === session.version && request.generation === session.generation',
    replace: 'const isDenied = deniedVersion !== undefined',
  },
  {
    name: 'a refresh has no deadline',
    file: 'worker/core/broker/grant-run.ts',
    search: '{ timeout, onTimeout, signal, onAbort: () => signal.reason }',
    replace: '{ signal, onAbort: () => signal.reason }',
  },
  {
    name: "a page's call has no deadline",
    file: 'src/connect/wait.ts',
    search: '    if (deadline !== undefined) {',
    replace: '    if (false) {',
  },
  {
    name: 'an abort is ignored',
    file: 'src/connect/wait.ts',
    search: "    signal?.addEventListener('abort', onAbort)",
    replace: '',
  },
  {
    name: 'the loss of a worker is not detected',
    file: 'src/connect/connection.ts',
    search: '    if (!closedWith) onLost()',
    replace: '',
  },
  {
    name: 'a new user is shown before the sign-in is stored',
    file: `${session}/state.ts`,
    search: "  const isUnsaved = refresh.kind === 'saving' && refresh.signIn",
    replace: '  const isUnsaved = false',
  },
  {
    name: 'tokens are used before they are stored',
    file: `${session}/authorize.ts`,
    search: '  if (isSettling(session)) return [session, []]\n\n  // Versions are',
    replace: "  if (refresh.kind === 'saving') return [session, [permit(session, call, held)]]\n\n  // Versions are",
  },
  {
    name: 'a hint is trusted without a read of the store',
    file: `${broker}/store-access.ts`,
    search: '    isHinted = true\n    if (isReading',
    replace: "    dispatch({ type: 'signedOut' })\n    if (isReading",
  },
  {
    name: 'a refresh notifies the pages',
    file: `${broker}/snapshot-feed.ts`,
    search:
      '      if (view.caller?.session === next.caller?.session && isSameSnapshot(view.snapshot, next.snapshot)) return\n',
    replace: '',
  },
  {
    name: 'a listener that throws keeps the change from the others',
    file: 'src/client/snapshot-store.ts',
    search: '        console.error(error)\n',
    replace: '        throw error\n',
  },
  {
    name: 'an error quotes a token',
    file: `${broker}/sign-ins.ts`,
    search: 'const isQuote = thrown instanceof SyntaxError',
    replace: 'const isQuote = false',
  },
  {
    name: 'a token goes to any origin',
    file: 'worker/host/apis.ts',
    search: '  if (api !== undefined) return api\n',
    replace: '  if (apis[0]) return api ?? apis[0]\n',
  },
]
