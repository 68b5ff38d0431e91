import { delayNextRefresh, expireAccessTokens, readCounters } from './control.ts'
import { find } from './page/element.ts'
import { language, say, translate } from './page/language.ts'
import { theme } from './page/theme.ts'
import { createChoices } from './playground/choices.ts'
import { createCounters, toValues } from './playground/counters.ts'
import { onPress } from './playground/press.ts'
import { createResult } from './playground/result.ts'
import { createSignIn } from './playground/sign-in.ts'
import { createTabs } from './playground/tabs.ts'
import { texts } from './playground/texts.ts'
import { createToolbar } from './playground/toolbar.ts'
import { createWorkerLine } from './playground/worker.ts'
import { session } from './session.ts'
import { hangSeconds } from './tab/calls.ts'
import { everyTab } from './tab/channel.ts'
import { createFeed, mountTimeline } from './timeline/index.ts'

const stormCalls = 50
const historyInterval = 250
const countersInterval = 500

translate(document, texts)
createChoices()

const tabs = createTabs(find('frames', HTMLElement), { onReport: onTabs, onStory: showStory })
const counters = createCounters()
const result = createResult(tabs, counters)
const workerLine = createWorkerLine()
const signIn = createSignIn(() => tabs.names().length)
const toolbar = createToolbar(tabs, fire)
const timelinePlace = find('timeline', HTMLElement)
const timeline = mountTimeline(timelinePlace, { nameLane: tabs.nameLane, language: language.get() })

function fire(count: number, to: string = everyTab): void {
  counters.begin()
  result.begin(count * (to === everyTab ? tabs.names().length : 1))
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
  find('fire-storm', HTMLElement).textContent = texts().fireStorm(stormCalls * tabs.names().length)
}

function showSnapshot(): void {
  const snapshot = session.getSnapshot()
  workerLine.show(snapshot)
  signIn.show(snapshot)
}

/** Reads something again and again, while the page is to be seen. What fails once is read the next time. */
async function poll(interval: number, read: () => Promise<void>): Promise<void> {
  if (document.visibilityState === 'visible') await read().catch(() => {})
  setTimeout(() => void poll(interval, read), interval)
}

onPress('fire-storm', async () => {
  await expireAccessTokens()
  await delayNextRefresh(500)
  fire(stormCalls)
})
say(find('hung-hint', HTMLElement), () => texts().hungHint(hangSeconds))
language.follow((current) => {
  document.title = texts().title
  timeline.setLanguage(current)
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

const readNews = createFeed(session.explain)
void poll(historyInterval, async () => {
  const news = await readNews()
  timeline.add(news)
  workerLine.read(news)
})
void poll(countersInterval, async () => {
  counters.show(toValues(await readCounters(), tabs.totals()))
  result.draw()
})
