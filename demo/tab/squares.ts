import { language } from '../page/language.ts'
import { tellStory } from '../timeline/index.ts'
import type { Call } from './calls.ts'
import { texts } from './texts.ts'

const mostSquares = 240

/** A square for each call. The Tab key reaches one square, and the arrow keys move to the others. */
export function createSquares(list: HTMLElement, onPoint: (text: string) => void) {
  const squares = new Map<Call, HTMLElement>()
  const callOf = (target: EventTarget | null) => [...squares].find(([, square]) => square === target)?.[0]
  let pointed: Call | undefined

  function tell(call: Call): string {
    const { number, outcome, bar } = call
    const name = texts().call(number)
    if (bar !== undefined) return `${name} ${tellStory(bar, language.get())}`
    return `${name} ${outcome === undefined ? texts().callWaits : texts().callEnded(outcome)}`
  }

  function point(call: Call | undefined): void {
    pointed = call
    onPoint(call === undefined ? '' : tell(call))
  }

  function show(call: Call): void {
    const square = squares.get(call) ?? add(call)
    square.dataset.state = call.state
    square.setAttribute('aria-label', tell(call))
    if (call === pointed) point(call)
  }

  function add(call: Call): HTMLElement {
    const square = document.createElement('div')
    square.setAttribute('role', 'option')
    square.setAttribute('aria-selected', 'false')
    square.tabIndex = squares.size === 0 ? 0 : -1
    squares.set(call, square)
    list.append(square)
    return square
  }

  function forget(): void {
    const excess = [...squares].slice(0, Math.max(0, squares.size - mostSquares))
    for (const [call, square] of excess) {
      square.remove()
      squares.delete(call)
    }
    const first = list.querySelector<HTMLElement>('[role="option"]')
    if (first !== null && list.querySelector('[tabindex="0"]') === null) first.tabIndex = 0
  }

  list.addEventListener('pointerover', ({ target }) => point(callOf(target)))
  list.addEventListener('pointerleave', () => point(undefined))
  list.addEventListener('focusin', ({ target }) => point(callOf(target)))
  list.addEventListener('focusout', () => point(undefined))
  list.addEventListener('keydown', (event) => {
    const all = [...list.querySelectorAll<HTMLElement>('[role="option"]')]
    const current = all.indexOf(event.target as HTMLElement)
    const next = { ArrowRight: current + 1, ArrowLeft: current - 1, Home: 0, End: all.length - 1 }[event.key]
    const square = next === undefined ? undefined : all[next]
    if (square === undefined) return
    event.preventDefault()
    for (const other of all) other.tabIndex = other === square ? 0 : -1
    square.focus()
  })
  language.follow(() => {
    for (const call of squares.keys()) show(call)
  })

  return {
    show(calls: readonly Call[]): void {
      for (const call of calls) if (call.number > 0) show(call)
      forget()
      list.scrollTop = list.scrollHeight
    },
  }
}
