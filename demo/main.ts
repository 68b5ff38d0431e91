import { expireAccessTokens, readCounters } from './control.ts'
import { find } from './page/element.ts'
import { language, say, translate } from './page/language.ts'
import { theme } from './page/theme.ts'
import { createBreakIt } from './playground/break-it.ts'
import { breakItTexts } from './playground/break-it-texts.ts'
import { createChoices } from './playground/choices.ts'
import { showCode } from './playground/code.ts'
import { createCounters, toValues } from './playground/counters.ts'
import { createHistory } from './playground/history.ts'
import { createLog } from './playground/log.ts'
import { onPress, showProblem } from './playground/press.ts'
import { createResult } from './playground/result.ts'
import { createSignIn } from './playground/sign-in.ts'
import { createTabs } from './playground/tabs.ts'
import { texts } from './playground/texts.ts'
import { createToolbar } from './playground/toolbar.ts'
import { createWorkerLine } from './playground/worker.ts'
import { session } from './session.ts'
import { hangSeconds } from './tab/calls.ts'
import { everyTab } from './tab/channel.ts'
import { mountTimeline } from './timeline/index.ts'
import { mountVersus } from './versus/index.ts'

const stormCalls = 50
const historyInterval = 250
const countersInterval = 500

translate(document, texts)
createChoices()

const tabs = createTabs(find('frames', HTMLElement), { onChange: onTabs, onStory: showStory })
const counters = createCounters()
const result = createResult(tabs, counters)
const workerLine = createWorkerLine()
const log = createLog()
const timelinePlace = find('timeline', HTMLElement)
const timeline = mountTimeline(timelinePlace, { nameLane: tabs.nameLane, language: language.get() })
const history = createHistory((news) => {
  timeline.add(news)
  workerLine.read(news)
  log.add(news)
})
const signIn = createSignIn(
  () => tabs.names().length,
  (account) => begin(() => texts().didSignIn(account)),
)
const toolbar = createToolbar(tabs, async (count, to) => {
  await begin(() => texts().didFire(count, countTabs(to)))
  fire(count, to)
})
const breakIt = createBreakIt({
  async begin(did, label, onTold) {
    await begin(did, onTold)
    timeline.note(label())
  },
  fire,
  own: {
    'switch-user': (start) => signIn.signInAs(signIn.other(), 'popup', start),
    async 'sign-out-here'(start) {
      await start()
      await session.signOut()
    },
    async 'sign-out-everywhere'(start) {
      await start()
      await session.signOut({ everywhere: true })
    },
  },
})

/** Starts a press: earlier events are logged and counted first, and later events belong to this press. */
async function begin(did: () => string, onTold?: (text?: string) => void): Promise<void> {
  await Promise.all([history.catchUp(), readCounts().catch(() => {})])
  counters.begin()
  log.begin(did, onTold)
}

function countTabs(to: string = everyTab): number {
  return to === everyTab ? tabs.names().length : 1
}

function fire(count: number, to: string = everyTab): void {
  result.begin(count * countTabs(to))
  tabs.fire(count, to)
}

function onTabs(): void {
  toolbar.draw()
  signIn.draw()
  showStormSize()
  timeline.rename()
  result.draw()
}

function showStory(text: string): void {
  const story = find('story', HTMLElement)
  story.textContent = text === '' ? texts().storyHint : text
  story.classList.toggle('quiet', text === '')
}

function showStormSize(): void {
  find('fire-storm', HTMLElement).textContent = texts().fireStorm(stormCalls * countTabs())
}

function showSnapshot(): void {
  const snapshot = session.getSnapshot()
  workerLine.show(snapshot)
  signIn.show(snapshot)
}

async function readCounts(): Promise<void> {
  counters.show(toValues(await readCounters(), tabs.totals()))
}

/** Polls while the page is visible. A failed read is repeated at the next time. */
async function poll(interval: number, read: () => Promise<void>): Promise<void> {
  if (document.visibilityState === 'visible') await read().catch(() => {})
  setTimeout(() => void poll(interval, read), interval)
}

onPress('fire-storm', async () => {
  const count = countTabs()
  await begin(() => texts().didStorm(stormCalls, count))
  await expireAccessTokens()
  fire(stormCalls)
})
onPress('dismiss', () => showProblem(''))
onPress('sign-out', async () => {
  await begin(() => texts().didSignOut)
  await session.signOut()
})
for (const [id, text] of [
  ['break-title', () => breakItTexts().heading],
  ['break-lead', () => breakItTexts().lead],
  ['sequel-label', () => breakItTexts().sequel],
  ['reset', () => breakItTexts().reset],
  ['hung-hint', () => texts().hungHint(hangSeconds)],
] as const) {
  say(find(id, HTMLElement), text)
}
const versus = mountVersus(find('comparison', HTMLElement), { language: language.get() })
find('whole-code', HTMLElement).append(showCode('token.worker.ts'), showCode('session.ts'))
language.follow((current) => {
  document.title = texts().title
  timeline.setLanguage(current)
  versus.setLanguage(current)
  timeline.rename()
  showStory('')
  showStormSize()
})
theme.follow((current) => {
  if (current === 'system') delete timelinePlace.dataset.theme
  else timelinePlace.dataset.theme = current
})
session.subscribe(showSnapshot)
showSnapshot()

void poll(historyInterval, history.read)
void poll(countersInterval, async () => {
  await Promise.all([readCounts(), breakIt.showSettings()])
  result.draw()
})
