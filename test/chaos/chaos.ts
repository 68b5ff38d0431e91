import type { LoggedRefresh } from '../../servers/provider/refresh-log.ts'
import { MAX_REPEATS } from '../../src/client/repeat.ts'
import { launchBrowser } from '../fixtures/tabs.ts'
import { startTestApp } from '../fixtures/test-app.ts'
import { createRandom } from '../simulation/random.ts'
import { acts, pause } from './acts.ts'
import { findOverlaps, findReuses, type Reuse } from './checks.ts'
import type { PageNews } from './page-script.ts'
import { createScene, type Tab } from './scene.ts'

export interface ChaosOptions {
  readonly seconds: number
  readonly seed: number
  /** The provider accepts a used refresh token again for two minutes. */
  readonly grace: boolean
}

/** The page retries a worker whose script did not load, and reports the outcomes of its calls a little later. */
const WORKER_START = 5000
const PROGRESS_EVERY = 5000
const RECOVERY = 60_000
/** A call that waits during an outage makes most of its retries within about this time. */
const MAX_WAIT = 40_000
/** The time after which a tab must know of a session's end: a worker may be in a refresh that is held. */
const LEARNING = 4000
/** The connection of a killed worker may end at the server this much later than the next worker starts. */
const CONNECTION_END = 300

/**
 * The outcomes that a call may have during faults; any other is a finding. A body in flight is lost with its worker, and
 * cannot be continued.
 */
const allowedOutcome =
  /^(200|401|(GET|POST) (TypeError|network_error|refresh_unavailable|sign_in_required|AbortError)|(POST|GET body|POST body) (TypeError|worker_lost))$/

/** Runs random acts against real tabs for some time, and returns the violations of invariants. */
export async function runChaos({ seconds, seed, grace }: ChaosOptions): Promise<readonly string[]> {
  const random = createRandom(seed)
  const started = Date.now()
  const findings: string[] = []
  const story: string[] = []
  const outcomes = new Map<string, number>()
  const counts = new Map<string, number>()
  const ends: { readonly at: number; readonly reason: string | undefined; readonly tab: Tab }[] = []
  const workerLosses: { readonly at: number; readonly tab: Tab }[] = []

  const note = (text: string, at = Date.now()) =>
    story.push(`${((at - started) / 1000).toFixed(2).padStart(7)} s  ${text}`)
  const find = (text: string) => {
    findings.push(text)
    note(`FINDING ${text}`)
    console.log(`FINDING ${text}`)
  }

  console.log(
    `seed ${seed}: ${seconds} s of chaos, ${grace ? 'a spent refresh token has a grace' : 'no grace for a spent refresh token'}`,
  )
  const app = await startTestApp({ accessTokenSeconds: 4, reuseGraceSeconds: grace ? 120 : 0 })
  const server = app.authorizationServer
  const browser = await launchBrowser()
  const scene = await createScene({ app, browser, onNews })

  function onNews(tab: Tab, news: PageNews): void {
    if (news.kind === 'stuck') find(`tab ${tab.number}: ${news.call} has not settled in ${news.milliseconds} ms (I3)`)
    if (news.kind === 'calls') {
      for (const [outcome, times] of Object.entries(news.outcomes)) {
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + times)
        const mayBeLost = wasCut() || wasLostOften(tab)
        const isAllowed = allowedOutcome.test(outcome) || (outcome === 'GET worker_lost' && mayBeLost)
        if (!isAllowed) find(`tab ${tab.number}: ${times} calls came to ${outcome}`)
      }
    }
    if (news.kind === 'change') {
      const { status, reason, tokenServer, user } = news.snapshot
      note(`tab ${tab.number} ${[status, tokenServer, user?.subject, reason].filter(Boolean).join(' ')}`)
      if (status === 'signed-out') ends.push({ at: news.at, reason, tab })
      if (reason === 'worker_lost') workerLosses.push({ at: news.at, tab })
    }
  }

  /** Without a network, the script of the next worker does not load. */
  function wasCut(): boolean {
    return scene.losses.some(({ what, to }) => what === 'cut' && to > Date.now() - WORKER_START)
  }

  function wasLostOften(tab: Tab): boolean {
    const recent = workerLosses.filter((loss) => loss.tab === tab && loss.at > Date.now() - MAX_WAIT)
    return recent.length > MAX_REPEATS
  }

  const detections = () => server.refreshes.filter(({ isReuse }) => isReuse)
  /** When the user or the server ended the session. */
  const endings = () => [...scene.endings, ...detections().map(whenOf)]
  const isEnded = () => {
    const lastSignIn = scene.signIns.at(-1) ?? 0
    return scene.account() === undefined || detections().some(({ at }) => at > lastSignIn)
  }

  /** A session ends only by a sign-out, or by a rejected refresh token (I7). */
  function judgeEnd({ at, reason, tab }: (typeof ends)[number], reuses: readonly Reuse[]): string | undefined {
    const who = `tab ${tab.number} was signed out (${reason ?? 'no reason'}) ${((at - started) / 1000).toFixed(2)} s after the start`
    const isBy = ({ from, to }: { from: number; to: number }) =>
      from <= at && (at <= to + LEARNING || !scene.signIns.some((time) => time > to && time < at))
    const byPerson = scene.endings.some(isBy)
    const byServer = detections().some((refresh) => isBy(whenOf(refresh)))
    if (reason === 'refresh_answer_lost')
      return byServer || byPerson ? undefined : `${who}, and no answer was lost (I7)`
    if (reason === 'refresh_rejected') {
      // An unused token was revoked by a sign-out in another tab or for another user.
      const isRevoked = server.refreshes.some(
        ({ status, isReuse, endedAt = 0 }) => status === 400 && !isReuse && endedAt <= at && endedAt > at - LEARNING,
      )
      const byBrowser = reuses.some(({ refresh, isByBrowser }) => isByBrowser && isBy(whenOf(refresh)))
      return (byPerson && isRevoked) || byBrowser ? undefined : `${who}, which is no report of a loss (I9)`
    }
    // If a session ends while its worker is lost, the next worker reports the loss as the reason.
    if (reason !== undefined && !['signed_out_elsewhere', 'store_failed', 'worker_lost'].includes(reason))
      return `${who}, a reason that nothing here allows (I7)`
    return endings().some(isBy) ? undefined : `${who}, and nothing had ended the session (I7)`
  }

  const tally = () => {
    const calls = [...outcomes.values()].reduce((sum, times) => sum + times, 0)
    const lost = server.refreshes.filter(({ issued, status }) => issued !== undefined && status === undefined).length
    const answered = `${calls} calls settled, ${outcomes.get('200') ?? 0} of them with 200`
    return `${answered}; ${server.refreshes.length} refreshes, ${lost} answers lost, ${detections().length} reuse detections`
  }

  const progress = setInterval(() => {
    const time = Math.round((Date.now() - started) / 1000)
    console.log(`${time} s: ${scene.tabs().length} tabs; ${tally()}; ${scene.losses.length} kills, crashes and cuts`)
  }, PROGRESS_EVERY)

  const signIn = async (as: string) => {
    const [tab] = scene.tabs()
    if (tab === undefined) return
    note(`sign-in as ${as} in tab ${tab.number}`)
    await scene.signIn(tab, as)
  }

  try {
    for (const kind of ['both', 'both', 'dedicated'] as const) await scene.open(kind)
    await signIn('alice')
    const end = Date.now() + seconds * 1000
    const totalWeight = acts.reduce((sum, { weight }) => sum + weight, 0)
    while (Date.now() < end) {
      await pause(random.between(50, 900))
      if (scene.tabs().length < 3 && !scene.isCut()) await scene.open(random.chance(0.6) ? 'both' : 'dedicated')
      if (isEnded() && !scene.isCut() && random.chance(0.8)) await signIn(random.pick(['alice', 'bob']))
      let drawn = random.next() * totalWeight
      const act = acts.find(({ weight }) => {
        drawn -= weight
        return drawn < 0
      })
      if (act === undefined || (act.needsNetwork && scene.isCut())) continue
      note(act.name)
      counts.set(act.name, (counts.get(act.name) ?? 0) + 1)
      await act.run(scene, random)
    }
    await recover()
  } catch (error) {
    find(`the run broke off: ${error instanceof Error ? error.stack : error}`)
  }
  clearInterval(progress)

  /** When the faults end, every tab works again without the user, or its session has ended for a reason (I12). */
  async function recover(): Promise<void> {
    note('the faults stop')
    const stopped = Date.now()
    await scene.restoreNetwork()
    server.clearFaults()
    const left = () => Math.max(stopped + RECOVERY - Date.now(), 1)
    // A refresh in flight may still be affected by the loss of an earlier response.
    await settles(async () => isEnded() || (await isWorkingEverywhere()), left())
    if (isEnded()) await signIn('alice')
    if (!(await settles(isWorkingEverywhere, left()))) {
      for (const tab of scene.tabs()) note(`tab ${tab.number} has ${JSON.stringify(await look(tab))}`)
      find('not every tab was signed in and had a 200 within 60 s (I12)')
    }
    const subjects = new Set(await Promise.all(scene.tabs().map(async (tab) => (await look(tab)).subject)))
    if (subjects.size !== 1) find(`the tabs name several users: ${[...subjects].join(', ')} (I6)`)
    note(`works again ${Date.now() - stopped} ms after the last fault`)
    for (const { page } of scene.tabs()) await page.evaluate(() => window.pageCalls?.stop()).catch(() => {})
    const hasNone = async () => (await Promise.all(scene.tabs().map(pendingOf))).flat().length === 0
    if (!(await settles(hasNone, RECOVERY))) {
      find(`calls that never settle: ${(await Promise.all(scene.tabs().map(pendingOf))).flat().join(', ')} (I3)`)
    }
  }

  async function isWorkingEverywhere(): Promise<boolean> {
    const all = await Promise.all(scene.tabs().map(look))
    return all.every(({ status, answer }) => status === 'signed-in' && answer === 200)
  }

  await scene.closeAll().catch(() => {})
  for (const text of findOverlaps(server.refreshes, CONNECTION_END)) find(text)
  const reuses = findReuses(server.refreshes, scene.losses)
  for (const { at, token, issued, isReuse, status } of server.refreshes) {
    const became = [isReuse && 'a re-use', issued && `new token ${nameOf(issued)}`, status ?? 'no answer']
    note(`refresh with token ${nameOf(token)}: ${became.filter(Boolean).join(', ')}`, at)
  }
  for (const end of ends) {
    const text = judgeEnd(end, reuses)
    if (text !== undefined) find(text)
  }
  for (const { refresh, loss, isByBrowser } of reuses) {
    const time = `${((refresh.at - started) / 1000).toFixed(2)} s`
    note(
      `spent refresh token sent again at ${time}: ${loss ?? 'no loss known'}${isByBrowser ? ', by the browser' : ''}`,
    )
    if (loss === undefined) find(`a refresh token was sent again at ${time} though its answer was not lost (I2)`)
  }
  if (grace && detections().length > 0) find(`${detections().length} reuse detections in spite of a grace (I9)`)
  const reported = ends.filter(({ reason }) => reason === 'refresh_answer_lost').length

  if (findings.length > 0) console.log(`\n${story.sort().join('\n')}\n`)
  const list = (entries: ReadonlyMap<string, number>) =>
    [...entries]
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([name, times]) => `${name} ${times}`)
      .join(', ')
  console.log(`\nacts: ${list(counts)}`)
  console.log(`calls: ${list(outcomes)}`)
  const byBrowser = reuses.filter(({ isByBrowser }) => isByBrowser).length
  console.log(`spent tokens sent again after a loss: ${reuses.length}, ${byBrowser} of them by the browser itself`)
  console.log(`ends reported as refresh_answer_lost: ${reported} in all tabs`)
  console.log(`${tally()}; ${scene.losses.length} kills, crashes and cuts`)
  console.log(
    findings.length === 0 ? 'no invariant broken' : `${findings.length} findings: npm run chaos -- --seed ${seed}`,
  )
  await browser.close()
  await app.close()
  return findings
}

/** A short prefix, enough to distinguish tokens. */
function nameOf(token: string): string {
  return token.slice(0, 4)
}

function whenOf({ at }: LoggedRefresh): { readonly from: number; readonly to: number } {
  return { from: at, to: at }
}

interface Look {
  readonly status: string
  readonly subject: string | undefined
  readonly answer: number | string
}

/** The snapshot of a tab, and the outcome of one of its calls. */
function look({ page }: Tab): Promise<Look> {
  const asked: Promise<Look> = page.evaluate(async () => {
    const answer = await window.session
      .fetch(`${window.api}/orders`, { signal: AbortSignal.timeout(5000) })
      .then(({ status }) => status)
      .catch((error) => (typeof error.code === 'string' ? error.code : error.name))
    const { status, user } = window.session.getSnapshot()
    return { status, subject: user?.subject, answer }
  })
  return inTime(asked, 8000, { status: 'no answer', subject: undefined, answer: 'none' })
}

function pendingOf({ page, number }: Tab): Promise<string[]> {
  const asked = page.evaluate(() => window.pageCalls?.pending() ?? ['the page has made no calls'])
  return inTime(asked, 5000, ['the page does not answer']).then((calls) => calls.map((call) => `tab ${number} ${call}`))
}

async function inTime<T>(work: Promise<T>, milliseconds: number, otherwise: T): Promise<T> {
  return Promise.race([work.catch(() => otherwise), pause(milliseconds).then(() => otherwise)])
}

async function settles(isSo: () => Promise<boolean>, milliseconds: number): Promise<boolean> {
  const end = Date.now() + milliseconds
  do {
    if (await isSo()) return true
    await pause(200)
  } while (Date.now() < end)
  return false
}
