import './page/theme.ts'
import { element, find } from './page/element.ts'
import { language, say, translate } from './page/language.ts'
import { nameOf } from './page/user.ts'
import { session } from './session.ts'
import { createCalls } from './tab/calls.ts'
import { everyTab, lockOf, openTabChannel } from './tab/channel.ts'
import { createSquares } from './tab/squares.ts'
import { texts } from './tab/texts.ts'

const parameters = new URLSearchParams(location.search)
const tab = parameters.get('tab') ?? '?'
const isFrame = window.parent !== window
const playground = parameters.get('playground') ?? ''
const channel = openTabChannel(playground)
const reportInterval = 100

const squares = createSquares(find('calls', HTMLElement), (text) => {
  if (isFrame) channel.post({ kind: 'story', tab, text })
  else find('story', HTMLElement).textContent = text
})
const calls = createCalls((changed) => {
  find('no-calls', HTMLElement).hidden = true
  squares.show(changed)
})

let reported = ''

function report(): void {
  const { status, user } = session.getSnapshot()
  const connection = calls.connection()
  channel.post({
    kind: 'report',
    report: { tab, status, user: nameOf(user), calls: calls.counts(), ...(connection && { connection }) },
  })
}

function reportNews(): void {
  const { status, user } = session.getSnapshot()
  const fingerprint = JSON.stringify([status, user, calls.counts(), calls.connection()])
  if (fingerprint !== reported) report()
  reported = fingerprint
}

function showStatus(): void {
  const { status, user } = session.getSnapshot()
  document.body.dataset.status = status
  find('status', HTMLElement).textContent = status === 'signed-in' ? nameOf(user) : texts().status[status]
  reportNews()
}

channel.listen((message) => {
  if (message.kind === 'fire' && (message.to === tab || message.to === everyTab)) calls.fire(message.count)
  if (message.kind === 'call-the-roll') report()
})

document.body.classList.toggle('frame', isFrame)
if (!isFrame) {
  for (const id of ['intro', 'fire', 'story', 'back']) find(id, HTMLElement).hidden = false
  for (const count of [1, 10, 100]) {
    const button = element('button', { type: 'button', id: `fire-${count}`, onclick: () => calls.fire(count) })
    find('fire', HTMLElement).append(say(button, () => texts().fire(count)))
  }
}
translate(document, texts)
say(find('name', HTMLElement), () => texts().tab(tab))
language.follow(() => {
  document.title = `${texts().tab(tab)} · lingpai`
  showStatus()
})
session.subscribe(showStatus)
void navigator.locks.request(lockOf(playground, tab), () => new Promise(() => {}))
setInterval(reportNews, reportInterval)
report()
