import { isLingpaiError } from '../../src/protocol/errors.ts'
import type { Grant } from '../../worker/core/adapter.ts'
import { isOfLaterFormat } from '../../worker/core/token-set.ts'
import { memoryStore } from '../../worker/store/memory.ts'
import { createAuthorizationServer, type UserName } from './authorization-server.ts'
import { createBrowser, type Tab } from './browser.ts'
import { createDisk, type DiskFate } from './disk.ts'
import { useGlobals } from './globals.ts'
import { API_ORIGIN, createLedger, type PageCall, type RefreshExchange, type Violation } from './ledger.ts'
import { createNetwork, type NetworkFate, type SentRequest, type ServerAnswer } from './network.ts'
import { describePlan, drawPlan, type Fault, TROUBLES } from './plan.ts'
import { createScheduler, type Thread } from './scheduler.ts'
import { createStory } from './story.ts'

const TOKEN_URL = 'https://id.example.com/token'
const SIGN_IN_URL = 'https://id.example.com/sign-in'
const REVOKE_URL = 'https://id.example.com/revoke'
const ORDERS_URL = `${API_ORIGIN}/orders`
/** A path that answers 401 whatever the token. */
const CLOSED_URL = `${API_ORIGIN}/closed`
const START = 1_800_000_000_000
const HOUR = 3_600_000
const SLACK = 5
const MAX_STEPS = 30_000

export interface Outcome {
  readonly seed: number
  readonly violation: Violation | undefined
  readonly lines: readonly string[]
  readonly hash: string
  readonly steps: number
  readonly virtualMilliseconds: number
  /** How often each kind of fault happened. */
  readonly faults: Readonly<Partial<Record<Fault, number>>>
}

let tellUnhandled: (error: unknown) => void = () => {}

/** For the event of the process: an unhandled rejection in the library would leave a promise pending. */
export function noticeUnhandled(error: unknown): void {
  tellUnhandled(error)
}

/** Runs one seed. The same seed gives the same story. Call {@link installGlobals} before. */
export async function simulate(seed: number): Promise<Outcome> {
  const plan = drawPlan(seed)
  const { random } = plan
  const scheduler = createScheduler()
  const story = createStory(scheduler.now)
  const ledger = createLedger({ plan, scheduler, story })
  const counts: Partial<Record<Fault, number>> = {}
  let hasFaults = true
  let isOffline = false
  let deniesAll = false
  let storeTrouble: 'store slow' | 'store failing' | 'store blocked' | undefined
  /** The time that the computer has slept, and the error of its clock. */
  let slept = 0
  let clockError = 0
  let retryAfterUntil = 0
  let longestPause = 0
  let refreshes = 0
  let laterBuildSince: number | undefined

  story.tell(describePlan(plan))
  const serverNow = () => scheduler.now() + slept
  const count = (fault: Fault) => {
    counts[fault] = (counts[fault] ?? 0) + 1
  }
  const may = (fault: Fault) => hasFaults && plan.faults.has(fault)

  const server = createAuthorizationServer({
    now: serverNow,
    random,
    life: plan.life,
    rotates: plan.rotates,
    grace: plan.grace,
    onReuse(family, token) {
      story.tell(`the server finds that refresh token ${token} of session ${family.id} is used again: it ends`)
      ledger.onReuse(family, token)
    },
  })

  function drawDiskFate(): DiskFate {
    const delay = 0.05 + random.next() * random.next() * 10
    if (storeTrouble === undefined || !hasFaults || random.chance(0.3)) return { delay, outcome: 'done' }
    count(storeTrouble)
    if (storeTrouble === 'store slow') {
      return { delay: random.pick([100, 400, 4500, 9000]) * (0.5 + random.next() / 2), outcome: 'done' }
    }
    ledger.onStoreTrouble()
    return { delay, outcome: storeTrouble === 'store failing' ? 'failing' : 'blocked' }
  }

  const disk = createDisk({
    scheduler,
    drawFate: drawDiskFate,
    onTooSlow: ledger.onStoreTrouble,
    onRead: ledger.onRead,
    onCommit(record, before, by) {
      const nameOf = (one: typeof record) =>
        one === undefined
          ? 'nothing'
          : `session ${(one.tokens.profile?.session as number) ?? '?'} version ${one.version}${one.marker ? ` with attempt ${one.marker.id}${one.marker.isOver ? ' over' : ''}` : ''}`
      story.tell(`the store has ${nameOf(record)} from ${by.name}`)
      if (isOfLaterFormat(before)) laterBuildSince = undefined
      ledger.onCommit(record, before, by)
    },
  })

  function drawFate(isTokenServer: boolean): { fate: NetworkFate; fault: string } {
    const fate = {
      there: 1 + random.next() * 30,
      back: 1 + random.next() * 30,
      request: 'arrives',
      answer: 'arrives',
    } as const
    if (isOffline) return { fate: { ...fate, there: 1, back: 1, request: 'lost' }, fault: 'offline' }
    if (!hasFaults || !random.chance(plan.intensity)) return { fate, fault: '' }
    const fault = random.pick(['request lost', 'answer lost', 'hang', '503', '429', '5xx', 'garbled', 'slow'] as const)
    if (!plan.faults.has(fault)) return { fate, fault: '' }
    count(fault)
    const lost = random.chance(0.5) ? 'lost' : 'lost without a word'
    switch (fault) {
      case 'request lost':
        return { fate: { ...fate, request: lost }, fault }
      case 'answer lost':
        return { fate: { ...fate, answer: lost }, fault }
      case 'hang':
        return { fate: { ...fate, request: 'lost without a word' }, fault }
      case 'slow': {
        const late = random.pick([800, 4000, 9990, 10_010, 25_000]) * (0.9 + random.next() / 5)
        return { fate: random.chance(0.6) ? { ...fate, back: late } : { ...fate, there: late }, fault }
      }
      case '503':
        return {
          fate: { ...fate, instead: { answer: { status: 503, body: 'Unavailable' }, isProcessed: false } },
          fault,
        }
      case '429': {
        const seconds = random.pick([1, 2, 5, 20, 90])
        longestPause = Math.max(longestPause, seconds * 1000)
        if (isTokenServer) retryAfterUntil = Math.max(retryAfterUntil, scheduler.now() + seconds * 1000)
        const headers = random.chance(0.5)
          ? { 'retry-after': String(seconds) }
          : { 'retry-after': new Date(now() + seconds * 1000).toUTCString() }
        return {
          fate: { ...fate, instead: { answer: { status: 429, body: '', headers }, isProcessed: false } },
          fault,
        }
      }
      case '5xx': {
        const answer = { status: random.pick([500, 502, 504]), body: '<html><h1>Bad gateway</h1></html>' }
        return { fate: { ...fate, instead: { answer, isProcessed: random.chance(0.5) } }, fault }
      }
      case 'garbled':
        return { fate, fault }
    }
  }

  /** A truncated response may contain a part of a token, and errors of JSON.parse quote it. */
  function cutOff(answer: ServerAnswer): ServerAnswer {
    const { body } = answer
    return { ...answer, body: random.chance(0.5) ? body.slice(0, Math.floor(body.length * 0.7)) : body.slice(16) }
  }

  const network = createNetwork({
    scheduler,
    open(thread: Thread, request: SentRequest) {
      const { url, headers, body } = request
      ledger.onRequest(url, url + JSON.stringify(headers) + body)
      const isTokenServer = url === TOKEN_URL
      const { fate, fault } = drawFate(isTokenServer)
      const suffix = fault === '' ? '' : ` [${fault}]`
      const garble = (answer: ServerAnswer) => (fault === 'garbled' && answer.status === 200 ? cutOff(answer) : answer)
      if (url.startsWith(`${API_ORIGIN}/`)) {
        const accessToken = (headers.authorization ?? '').replace('Bearer ', '')
        const callId = Number(headers['x-call'])
        const { family, expiresAt } = server.introspect(accessToken)
        if (family !== undefined) ledger.onApiRequest(callId, family, accessToken, expiresAt)
        const serve = (): ServerAnswer => {
          const { isGood } = server.introspect(accessToken)
          const isClosed = url === CLOSED_URL
          const status = isGood && !deniesAll && !isClosed ? 200 : 401
          if (status === 401 && family !== undefined) ledger.onAccessDenied(family.id)
          story.tell(`the API answers call ${callId} of session ${family?.id} with ${status}`)
          return { status, body: JSON.stringify({ user: family?.user, session: family?.id }) }
        }
        story.tell(`${thread.name} sends call ${callId} with a token of session ${family?.id}${suffix}`)
        const onAnswer = ({ status }: ServerAnswer) => {
          if (family !== undefined) ledger.onApiAnswer(thread, family, callId, status)
        }
        return { fate, exchange: { serve: () => garble(serve()), onAnswer } }
      }
      const data = JSON.parse(body) as { refreshToken?: string; user?: UserName; call?: number }
      const found = data.refreshToken === undefined ? undefined : server.read(data.refreshToken)
      if (isTokenServer && found !== undefined) {
        const name = `refresh token ${found.number} of session ${found.family.id}`
        story.tell(`${thread.name} sends ${name}${suffix}`)
        const tracked: RefreshExchange = ledger.onRefreshSent(thread, found.family, found.number)
        return {
          fate,
          exchange: {
            serve() {
              refreshes += 1
              if (hasFaults && refreshes === plan.mixUp) {
                const mixedUp = server.mixUp(found.family)
                story.tell(
                  `the server answers ${name} with the tokens of another user, session ${server.families.length}`,
                )
                ledger.onMixUp(found.family, server.families.length)
                return garble(mixedUp)
              }
              const answer = server.refresh(data.refreshToken as string)
              story.tell(`the server answers ${name} with ${answer.status}`)
              if (answer.status === 400) ledger.onRejection(found.family)
              return garble(answer)
            },
            onAnswer({ status, body, headers }) {
              const pause = Number(headers?.['retry-after'])
              if (pause > 0) ledger.onPauseAsked(found.family, pause * 1000 - SLACK)
              const [, family, next] = (status === 200 && /rt~(\d+)\.(\d+)~"/.exec(body)) || []
              const isWhole = status === 200 && body.startsWith('{') && body.endsWith('}')
              if (isWhole && family !== undefined && Number(family) !== found.family.id) {
                story.tell(`${thread.name} hears that ${name} has brought the tokens of another user`)
                ledger.onMixUpHeard(tracked)
                return
              }
              const how = status === 400 ? 'rejected' : isWhole ? 'succeeded' : 'failed'
              story.tell(`${thread.name} hears that ${name} has ${how}`)
              ledger.onRefreshEnded(tracked, how, isWhole && next !== undefined ? Number(next) : undefined)
            },
            onFailure() {
              story.tell(`${thread.name} gets no answer to ${name}`)
              ledger.onRefreshEnded(tracked, 'failed')
            },
          },
        }
      }
      if (url === SIGN_IN_URL) {
        story.tell(`${thread.name} signs ${data.user} in${suffix}`)
        return {
          fate,
          exchange: {
            serve() {
              const answer = server.signIn(data.user as UserName)
              ledger.onSignInServed(data.call ?? 0, server.families.length)
              return garble(answer)
            },
            onAnswer({ status, body }) {
              const session = /^{.*"session":(\d+)}}$/.exec(body)?.[1]
              if (status === 200 && session !== undefined) ledger.onSessionBegun(Number(session), data.user as UserName)
              story.tell(
                `${thread.name} hears of its sign-in: ${session === undefined ? status : `session ${session}`}`,
              )
            },
          },
        }
      }
      return {
        fate,
        exchange: {
          serve() {
            const answer = server.revoke(data.refreshToken as string)
            story.tell(`the server forgets session ${found?.family.id}`)
            return answer
          },
        },
      }
    },
  })

  const now = () => Math.floor(START + scheduler.now() + slept + clockError)
  const browser = createBrowser({
    plan,
    scheduler,
    story,
    ledger,
    grant: createGrant(),
    now,
    fetchOf: network.fetchOf,
    openStore: (thread) => (plan.hosts === 'shared, in memory' ? memoryStore() : disk.open(thread)),
  })

  /** A page makes a call. The outcome goes into the story and to the ledger. */
  function track<T>(call: PageCall, answer: Promise<T>, onFulfilled: (value: T) => void = () => {}): void {
    answer.then(
      (value) => {
        story.tell(`call ${call.id} of ${call.tab.name} is answered`)
        ledger.onSettled(call, 'fulfilled')
        onFulfilled(value)
      },
      (error) => {
        const code: string = isLingpaiError(error) ? error.code : ((error as Error)?.name ?? 'nothing')
        ledger.onMessage(String((error as Error)?.message), 'an error', call.tab.name)
        story.tell(`call ${call.id} of ${call.tab.name} rejects with ${code}`)
        ledger.onSettled(call, { code })
        onRejected(call, code)
      },
    )
  }
  let onRejected: (call: PageCall, code: string) => void = () => {}

  function request(tab: Tab, onFulfilled?: (value: unknown) => void, timeout = 30_000, url = ORDERS_URL): PageCall {
    const call = ledger.onCall(tab, 'request', timeout)
    story.tell(`${tab.name} makes call ${call.id} in session ${call.sessionAtStart}`)
    const wire = { url, method: 'GET', headers: [['x-call', String(call.id)] as const] }
    track(call, tab.client.call('request', [wire], { deadline: timeout }), onFulfilled)
    return call
  }

  /** A page makes a call that must be rejected. */
  function askForForbidden(tab: Tab): void {
    const call = ledger.onCall(tab, 'forbidden', 35_000)
    const wire = { url: 'https://elsewhere.example.com/orders', method: 'GET', headers: [] }
    const options = { deadline: 35_000 }
    const answer = random.chance(0.5)
      ? tab.client.call('fetch', [wire], options)
      : tab.client.call('getAccessToken', [], options)
    story.tell(`${tab.name} makes the forbidden call ${call.id}`)
    track(call, answer as Promise<unknown>, () => ledger.violate('I4', `call ${call.id} is granted`))
  }

  function fetchLikePage(tab: Tab): void {
    const controller = new AbortController()
    const patience = random.pick([5, 500, 5000, 40_000])
    const call = ledger.onCall(tab, 'fetch', patience + 50)
    story.tell(`${tab.name} makes call ${call.id} with fetch in session ${call.sessionAtStart}`)
    const wire = { url: ORDERS_URL, method: 'GET', headers: [['x-call', String(call.id)] as const] }
    const options = { signal: controller.signal }
    track(
      call,
      tab.client
        .repeat((connection, caller) => connection.call('fetch', [wire], { ...options, caller }), controller.signal)
        .catch((error) => {
          throw controller.signal.aborted ? new DOMException('no longer wanted', 'aborted') : error
        }),
    )
    scheduler.schedule(patience, tab.thread, () => controller.abort())
  }

  function signIn(tab: Tab, user: UserName, onFulfilled?: () => void): void {
    // The page has no deadline for it: the deadlines of the worker and its store, or the loss of the worker, end it.
    const call = ledger.onCall(tab, `sign-in of ${user}`, 90_000)
    story.tell(`${tab.name} signs ${user} in with call ${call.id}`)
    track(call, tab.client.call('signIn', [{ user, call: call.id }]), onFulfilled)
  }

  function signOut(tab: Tab): void {
    const call = ledger.onCall(tab, 'sign-out', 35_000)
    story.tell(`${tab.name} signs out with call ${call.id}`)
    ledger.addCause('sign-out')
    track(call, tab.client.call('signOut', [false], { deadline: 35_000 }))
  }

  /** Runs in the tab's own thread. */
  function inTab(tab: Tab, work: () => void): void {
    scheduler.schedule(random.next(), tab.thread, work)
  }

  function forgeMessages(tab: Tab): void {
    count('forged messages')
    story.tell(`a script of ${tab.name} forges messages`)
    for (let index = 0; index < 3; index++) {
      browser.broadcast('lingpai:lingpai', random.pick(['lingpai:1', { signedOut: true }, null, 'anything', 42]))
    }
    const walk = { id: 'forged-1', type: 'APPLY', path: ['constructor', 'constructor'], argumentList: [] }
    const unknown = { id: 'forged-2', type: 'APPLY', path: ['refresh'], argumentList: [] }
    const set = { id: 'forged-3', type: 'SET', path: ['hello'], value: { type: 'RAW', value: 1 } }
    for (const port of tab.ports) {
      for (const message of [walk, unknown, set, { lingpai: 'abort', call: 'zz' }, { lingpai: 'snapshot' }, null]) {
        if (random.chance(0.5)) inTab(tab, () => port.postMessage(message))
      }
    }
  }

  function act(): void {
    const tab = browser.tabs.length === 0 ? undefined : random.pick(browser.tabs)
    if (tab === undefined) {
      if (random.chance(0.5)) browser.openTab()
      return
    }
    const kind = random.below(24)
    if (kind < 7) inTab(tab, () => void request(tab, undefined, random.chance(0.8) ? 30_000 : 1500))
    else if (kind < 9) for (let index = 0; index < 3; index++) inTab(tab, () => void request(tab))
    else if (kind < 11) inTab(tab, () => fetchLikePage(tab))
    else if (kind === 11) inTab(tab, () => signIn(tab, random.pick(['ann', 'bob'])))
    else if (kind === 12) inTab(tab, () => signOut(tab))
    else if (kind === 14 && random.chance(0.5)) inTab(tab, () => askForForbidden(tab))
    else if (kind === 13 && browser.tabs.length < 3) browser.openTab()
    else breakSomething(tab)
  }

  /** One call of the closed path and one of another; then the next turn. */
  function takeTurns(pause: number, count: number): void {
    for (const url of [CLOSED_URL, ORDERS_URL]) {
      const tab = browser.tabs.length === 0 ? undefined : random.pick(browser.tabs)
      const delay = url === CLOSED_URL ? 0 : pause / 2
      if (tab) scheduler.schedule(delay, tab.thread, () => void request(tab, undefined, 30_000, url))
    }
    if (count > 1 && hasFaults) scheduler.schedule(pause, undefined, () => takeTurns(pause, count - 1))
  }

  function breakSomething(tab: Tab): void {
    const fault = random.pick(TROUBLES)
    if (!may(fault)) {
      inTab(tab, () => void request(tab))
      return
    }
    const duration = random.pick([50, 1000, 5000, 30_000]) * random.next()
    const later = (milliseconds: number, work: () => void) => scheduler.schedule(milliseconds, undefined, work)
    const workers = browser.liveWorkers()
    if (fault !== 'forged messages' && !fault.startsWith('store ')) count(fault)
    switch (fault) {
      case 'offline':
        isOffline = true
        story.tell('the network is down')
        later(duration, () => {
          isOffline = false
          story.tell('the network is back')
          for (const one of browser.tabs) inTab(one, () => one.client.resume())
        })
        return
      case 'worker killed':
        if (workers.length > 0) browser.killWorker(random.pick(workers))
        return
      case 'worker restarted silently':
        if (workers.length > 0) browser.restartSilently(random.pick(workers))
        return
      case 'tab closed':
        story.tell(`${tab.name} is closed`)
        inTab(tab, () => {
          browser.tellPage(tab, 'pagehide', false)
          scheduler.schedule(0.01, undefined, () => browser.endTab(tab))
        })
        return
      case 'tab crashed':
        story.tell(`${tab.name} crashes`)
        browser.endTab(tab)
        return
      case 'tab frozen':
        browser.freeze(tab)
        later(duration, () => browser.thaw(tab))
        return
      case 'back/forward cache':
        inTab(tab, () => {
          story.tell(`${tab.name} goes into the back/forward cache`)
          browser.tellPage(tab, 'pagehide', true)
          scheduler.schedule(0.01, undefined, () => browser.freeze(tab))
        })
        later(2 + duration, () => {
          browser.thaw(tab)
          inTab(tab, () => browser.tellPage(tab, 'pageshow', true))
        })
        return
      case 'store slow':
      case 'store failing':
      case 'store blocked':
        storeTrouble = fault
        story.tell(`a store fault begins: ${fault}`)
        later(duration, () => {
          storeTrouble = undefined
          disk.unblock()
          story.tell('the store works again')
        })
        return
      case 'store wiped':
        count('store wiped')
        ledger.onStoreTrouble()
        disk.wipe()
        story.tell('the store is wiped')
        return
      case 'clock jump':
        clockError += random.pick([-1, 1]) * random.pick([HOUR, 24 * HOUR])
        ledger.onClockChange()
        story.tell(`the clock is wrong by ${clockError / HOUR} h now`)
        return
      case 'sleep':
        slept += random.pick([60_000, HOUR, 10 * HOUR])
        ledger.onClockChange()
        network.breakConnections()
        story.tell('the computer has slept')
        return
      case 'api denies all':
        deniesAll = true
        story.tell('the API denies all tokens')
        later(duration, () => {
          deniesAll = false
          story.tell('the API accepts tokens again')
        })
        return
      case 'forged messages':
        forgeMessages(tab)
        return
      case 'access revoked':
        server.revokeAccessTokens()
        story.tell('an administrator revokes access tokens')
        return
    }
  }

  /** The later build's record must stay in the store until a sign-out. */
  function setLaterBuild(isThere: boolean): void {
    if (!isThere && laterBuildSince === undefined) return
    checkLaterBuild()
    laterBuildSince = isThere ? scheduler.now() : undefined
    ledger.onLaterBuild()
    disk.writeLater(isThere)
    story.tell(isThere ? 'a later build has overwritten the stored session' : 'the later build has signed out')
    browser.broadcast('lingpai:lingpai', 'lingpai:1')
  }

  /** Every worker that can know of the later build reports it. */
  function checkLaterBuild(): void {
    const since = laterBuildSince
    const isHidden = TROUBLES.some((fault) => /^(store|worker)/.test(fault) && plan.faults.has(fault))
    if (since === undefined || scheduler.now() - since < 3000 || isHidden) return
    for (const { name, thread, connectedAt, shown } of browser.tabs) {
      const isAwake = thread.state === 'running' && thread.frozenFor() === 0 && connectedAt < since
      if (isAwake && shown.status !== 'connecting' && shown.reason !== 'later_build')
        ledger.violate('later build', `${name} shows ${shown.status} instead of the later build`)
    }
  }

  function recover(): void {
    story.tell('all faults stop')
    setLaterBuild(false)
    hasFaults = false
    isOffline = false
    deniesAll = false
    storeTrouble = undefined
    disk.unblock()
    for (const tab of [...browser.tabs]) browser.thaw(tab)
    if (browser.tabs.length === 0) browser.openTab()
  }

  /** Whether the calls of every tab succeed, if its session allows it (I12). */
  async function probe(): Promise<void> {
    const open = new Set<PageCall>()
    const repeated = new Set<Tab>()
    // An unstored sign-in replaces the stored session with its first refresh. If the store committed a sign-in after its
    // worker's death, the others find it when they refresh.
    const isApart =
      !plan.hasHints || ledger.hasLateWrites() || browser.tabs.some(({ shown }) => shown.reason === 'store_failed')
    let slowest = 0
    const ask = (tab: Tab) => {
      const call = request(tab, () => {
        open.delete(call)
        slowest = Math.max(slowest, scheduler.now() - call.startedAt)
      })
      open.add(call)
    }
    onRejected = (call, code) => {
      open.delete(call)
      const tab = call.tab as Tab
      // The user is signed out, or is not the user that the page shows: the token of another user must not be used.
      const isForOther = isApart && tab.shown.session !== call.sessionAtStart
      if (code === 'sign_in_required' && (isForOther || tab.shown.session === undefined)) return
      // If the worker finds another session only after a 401, the call gets that 401.
      if (code === 'api_error' && isForOther) return
      // If nothing else shows the loss of an idle worker, the first call detects it.
      if (code !== 'worker_lost' || repeated.has(tab))
        return ledger.violate('I12', `after the faults, call ${call.id} rejects with ${code}`)
      repeated.add(tab)
      inTab(tab, () => ask(tab))
    }
    for (const tab of browser.tabs) inTab(tab, () => ask(tab))
    if (!(await run(25_000))) return
    const longest = ledger.longestWait(longestPause)
    if (longest > 25_000) {
      onRejected = () => {}
      return
    }
    for (const call of open) ledger.violate('I12', `after the faults, call ${call.id} is not answered`)
    if (repeated.size === 0 && slowest > longest)
      ledger.violate('I12', `after the faults, a call takes ${Math.round(slowest)} ms`)
  }

  async function probeSignIn(): Promise<void> {
    const [tab] = browser.tabs
    if (tab === undefined) return
    let isSignedIn = false
    inTab(tab, () =>
      signIn(tab, 'bob', () => {
        isSignedIn = true
      }),
    )
    if (!(await run(3000))) return
    const session = server.families.length
    if (!isSignedIn) return ledger.violate('I12', 'after the faults, no user can sign in')
    if (plan.hosts !== 'shared, in memory' && ledger.storedSession() !== session)
      return ledger.violate('I6', `session ${session} is signed in, the store names ${ledger.storedSession()}`)
    for (const one of browser.tabs) {
      // Without a store, only the clocks show which of two sign-ins is newer.
      if (one.shown.reason === 'store_failed' && clockError < 0) continue
      // Without hints, the worker finds it at the next refresh.
      if (!plan.hasHints && one.shown.session !== session) continue
      if (one.shown.session !== session)
        return ledger.violate('I12', `${one.name} shows session ${one.shown.session} instead of ${session}`)
      inTab(one, () =>
        request(one, (value) => {
          if ((value as { session: number }).session !== session)
            ledger.violate('I6', `${one.name} is answered for another session than ${session}`)
        }),
      )
    }
    await run(5000)
  }

  function run(milliseconds: number): Promise<boolean> {
    return scheduler.runUntil(scheduler.now() + milliseconds, () => {
      if (scheduler.steps() > MAX_STEPS) ledger.violate('I10', `the steps do not end after ${MAX_STEPS}`)
      return ledger.afterStep()
    })
  }

  async function play(): Promise<void> {
    if (plan.isSignedIn && plan.hosts !== 'shared, in memory') {
      const { accessToken, expiresIn, ...rest } = JSON.parse(server.signIn('ann').body)
      const receivedAt = now() - random.pick([0, 0, 1000, HOUR])
      const record = {
        format: 1,
        sessionId: 'stored',
        generation: 1,
        version: 1,
        signedInAt: receivedAt,
        tokens: {
          accessToken,
          tokenType: 'Bearer',
          receivedAt,
          ...(expiresIn !== undefined && { expiresAt: receivedAt + expiresIn * 1000 }),
          ...rest,
        },
      } as const
      ledger.onSessionBegun(1, 'ann')
      ledger.onCommit(record, undefined, scheduler.createThread('the past'))
      disk.write(record)
    }
    for (let index = 0; index < plan.tabs; index++) {
      scheduler.schedule(index === 0 ? 0 : random.next() * 30, undefined, browser.openTab)
    }
    if (plan.hosts === 'shared, in memory') {
      scheduler.schedule(50, undefined, () => {
        const [tab] = browser.tabs
        if (tab) inTab(tab, () => signIn(tab, 'ann'))
      })
    }
    for (let index = 0; index < plan.actions; index++) {
      scheduler.schedule(20 + random.next() * plan.length, undefined, act)
    }
    if (plan.turns) {
      const { from, pause, count } = plan.turns
      scheduler.schedule(20 + from, undefined, () => takeTurns(pause, count))
    }
    if (plan.laterBuild) {
      const { from, to } = plan.laterBuild
      scheduler.schedule(20 + from, undefined, () => setLaterBuild(true))
      scheduler.schedule(20 + to, undefined, () => setLaterBuild(false))
    }
    if (!(await run(plan.length + 20))) return
    recover()
    // A call may wait for 30 s, a sign-in a little longer. The next attempt may be 60 s later, or when the server asks for it.
    const quiet = Math.max(75_000, retryAfterUntil - scheduler.now() + 12_000, ledger.longestPause())
    if (!(await run(quiet))) return
    ledger.checkMixUps(browser.tabs)
    await probe()
    if (ledger.violation() === undefined) await probeSignIn()
  }

  useGlobals(scheduler.current, random.next)
  tellUnhandled = (error) => ledger.violate('I3', `an error is not handled: ${String(error)}`)
  await play()
  return {
    seed,
    violation: ledger.violation(),
    lines: story.lines(),
    hash: story.hash(),
    steps: scheduler.steps(),
    virtualMilliseconds: Math.round(scheduler.now()),
    faults: counts,
  }
}

/** A custom grant that takes its verdicts from the HTTP statuses. */
function createGrant(): Grant {
  const read = ({ status, body }: { status: number; body: string }) => {
    if (status !== 200) throw new Error(`status ${status}`)
    return JSON.parse(body)
  }
  return {
    signIn: async (input, io) => read(await io.send({ url: SIGN_IN_URL, body: JSON.stringify(input) })),
    refresh: async ({ refreshToken }, io) =>
      read(await io.send({ url: TOKEN_URL, body: JSON.stringify({ refreshToken }) })),
    async signOut(tokens, io) {
      await io.send({ url: REVOKE_URL, body: JSON.stringify({ refreshToken: tokens?.refreshToken }) })
    },
  }
}

export { installGlobals } from './globals.ts'
