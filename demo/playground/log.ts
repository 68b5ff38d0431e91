import type { HistoryEntry } from 'lingpai'
import { element, find } from '../page/element.ts'
import { language } from '../page/language.ts'
import { sumUp, tell } from './tell.ts'

const mostEntries = 12
/** After this time without new entries, a screen reader announces the text. In milliseconds. */
const quietTime = 1200

interface Press {
  readonly did: () => string
  readonly entries: HistoryEntry[]
  readonly instance: string | undefined
  readonly draw: () => void
  readonly onTold: ((text?: string) => void) | undefined
}

export type Log = ReturnType<typeof createLog>

/** The log of presses and of lingpai's reactions. The reactions come from its history up to the next press. */
export function createLog() {
  const presses: Press[] = []
  let instance: string | undefined
  let timer: ReturnType<typeof setTimeout> | undefined

  function announce(text: string): void {
    clearTimeout(timer)
    timer = setTimeout(() => {
      find('news', HTMLElement).textContent = text
    }, quietTime)
  }

  language.follow(() => {
    for (const press of presses) press.draw()
  })

  return {
    /** Calls `onTold` with each version of the reaction's text, and not after the next press. */
    begin(did: () => string, onTold?: (text?: string) => void): void {
      presses.at(-1)?.onTold?.()
      const head = element('p', { className: 'did' })
      const told = element('p', { className: 'told' })
      const time = element('time', {}, new Date().toLocaleTimeString('en-GB'))
      const item = element('li', {}, time, element('div', {}, head, told))
      const press: Press = {
        did,
        entries: [],
        instance,
        onTold,
        draw() {
          head.textContent = did()
          const text = tell(sumUp(press.entries, press.instance), language.get())
          told.textContent = text
          if (press !== presses.at(-1)) return
          onTold?.(text)
          announce(`${did()} ${text}`)
        },
      }
      presses.push(press)
      find('log', HTMLElement).prepend(item)
      find('no-log', HTMLElement).hidden = true
      if (presses.length > mostEntries) {
        presses.shift()
        find('log', HTMLElement).lastElementChild?.remove()
      }
      press.draw()
    },
    add(news: readonly HistoryEntry[]): void {
      instance = news.at(-1)?.instance ?? instance
      const press = presses.at(-1)
      if (press === undefined) return
      press.entries.push(...news)
      press.draw()
    },
  }
}
