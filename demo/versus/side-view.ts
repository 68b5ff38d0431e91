import { element } from '../page/element.ts'
import type { Figures, TabState } from './figures.ts'
import { type Phase, type Side, tabCount } from './storm.ts'
import type { Texts } from './texts.ts'

/** The current state of one side. */
export interface SideState {
  readonly phase?: Phase
  readonly tabs: readonly TabState[]
  readonly figures?: Figures
  readonly problem?: string
}

export interface SideView {
  readonly root: HTMLElement
  /** The container of its tabs, which are invisible. */
  readonly frames: HTMLElement
  show(state: SideState, texts: Texts): void
}

export function createSideView(side: Side): SideView {
  const name = element('h3', { id: `versus-${side}` })
  const explanation = element('p', { className: 'quiet' })
  const rows = Array.from({ length: tabCount }, createRow)
  const verdict = element('p', { className: 'versus-verdict' })
  const frames = element('div', { hidden: true })
  const root = element(
    'section',
    { className: 'card versus-side' },
    name,
    explanation,
    element('ol', {}, ...rows.map(({ item }) => item)),
    element('div', { role: 'status' }, verdict),
    frames,
  )
  root.dataset.side = side
  root.setAttribute('aria-labelledby', name.id)

  return {
    root,
    frames,
    show({ phase, tabs, figures, problem }, texts) {
      name.textContent = texts.sides[side].name
      explanation.textContent = texts.sides[side].explanation
      for (const [index, row] of rows.entries()) row.show(index, tabs[index], figures !== undefined, texts)
      verdict.textContent = describe(phase, figures, problem, texts)
      verdict.dataset.state = stateOf(figures, problem)
    },
  }
}

interface Row {
  readonly item: HTMLElement
  show(index: number, tab: TabState | undefined, isOver: boolean, texts: Texts): void
}

function createRow(): Row {
  const label = element('span', { className: 'versus-tab' })
  const squares = element('span', { className: 'versus-squares' })
  squares.setAttribute('aria-hidden', 'true')
  const counts = element('span', { className: 'versus-counts' })
  return {
    item: element('li', {}, label, squares, counts),
    show(index, tab, isOver, texts) {
      const calls = tab?.calls ?? []
      label.textContent = texts.tab(index + 1)
      squares.replaceChildren(
        ...calls.map(({ outcome }) => {
          const square = element('i', {})
          square.dataset.state = outcome?.kind ?? (isOver ? 'unanswered' : 'waiting')
          return square
        }),
      )
      const count = (kind: string): number => calls.filter(({ outcome }) => outcome?.kind === kind).length
      const open = calls.filter(({ outcome }) => outcome === undefined).length
      const counted = texts.tabCounts(count('answered'), count('rejected'), open, isOver)
      const place = tab?.isOnLoginPage ? texts.onLoginPage : ''
      counts.textContent = [counted, place].filter(Boolean).join(' · ')
    },
  }
}

function describe(phase: Phase | undefined, figures: Figures | undefined, problem: string | undefined, texts: Texts) {
  if (problem !== undefined) return texts.failed(problem)
  if (figures) return texts.verdict(figures)
  return phase === undefined ? texts.idle : texts.phases[phase]
}

function stateOf(figures: Figures | undefined, problem: string | undefined): 'open' | 'good' | 'bad' | 'warn' {
  if (problem !== undefined) return 'bad'
  if (!figures) return 'open'
  if (figures.answered === figures.calls) return 'good'
  return figures.unanswered > 0 ? 'bad' : 'warn'
}
