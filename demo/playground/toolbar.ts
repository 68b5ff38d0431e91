import { element, find } from '../page/element.ts'
import { language, say } from '../page/language.ts'
import { everyTab } from '../tab/channel.ts'
import { onPress } from './press.ts'
import { mostFrames, type Tabs } from './tabs.ts'
import { texts } from './texts.ts'

const usualFrames = 3

/** The number of tabs, and the buttons for their calls. */
export function createToolbar(tabs: Tabs, fire: (count: number, to: string) => Promise<void>) {
  const countChoice = find('tab-count', HTMLSelectElement)
  const fromChoice = find('fire-from', HTMLSelectElement)
  let listed = ''

  for (let count = 1; count <= mostFrames; count += 1) {
    countChoice.append(element('option', { value: String(count) }, String(count)))
  }
  countChoice.value = String(usualFrames)
  countChoice.addEventListener('change', () => {
    tabs.show(Number(countChoice.value))
    draw()
  })
  for (const count of [1, 10, 100]) {
    const button = element('button', { type: 'button', id: `fire-${count}` })
    find('fire-buttons', HTMLElement).append(say(button, () => texts().fire(count)))
    language.follow(() => button.setAttribute('aria-label', texts().fireLabel(count)))
    onPress(button.id, () => fire(count, fromChoice.value))
  }
  onPress('open-tab', () => tabs.open())
  tabs.show(usualFrames)
  draw()

  /** Lists the current tabs. */
  function draw(): void {
    const names = tabs.names()
    if (listed === names.join()) return
    listed = names.join()
    const chosen = fromChoice.value
    fromChoice.replaceChildren(
      say(element('option', { value: everyTab }), () => texts().everyTab),
      ...names.map((name) => say(element('option', { value: name }), () => texts().oneTab(name))),
    )
    fromChoice.value = names.includes(chosen) ? chosen : everyTab
  }

  return { draw }
}
