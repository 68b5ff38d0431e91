import { element } from '../page/element.ts'
import { countRejected, type Figures } from './figures.ts'
import { type Side, sides } from './storm.ts'
import type { Texts } from './texts.ts'

type FigureName = Exclude<keyof Texts['table'], 'caption' | 'figure' | 'of' | 'seconds'>

const order: readonly FigureName[] = [
  'answered',
  'rejected',
  'unanswered',
  'tokenRequests',
  'reuseDetections',
  'sentToLogin',
  'workingTabs',
  'apiRequests',
  'duration',
]

/** A row for every figure, a column for each side. A side without figures has dashes. */
export function fillTable(
  table: HTMLTableElement,
  scenario: string,
  figuresOf: Readonly<Partial<Record<Side, Figures>>>,
  texts: Texts,
): void {
  const heading = (text: string, scope: 'col' | 'row') => element('th', { scope }, text)
  table.replaceChildren(
    element('caption', {}, texts.table.caption(scenario)),
    element(
      'thead',
      {},
      element(
        'tr',
        {},
        heading(texts.table.figure, 'col'),
        ...sides.map((side) => heading(texts.sides[side].name, 'col')),
      ),
    ),
    element(
      'tbody',
      {},
      ...order.map((name) =>
        element(
          'tr',
          {},
          heading(texts.table[name], 'row'),
          ...sides.map((side) => {
            const cell = element('td', {})
            cell.dataset.figure = `${side} ${name}`
            const figures = figuresOf[side]
            if (!figures) cell.textContent = '–'
            else fillCell(cell, name, figures, texts)
            return cell
          }),
        ),
      ),
    ),
  )
}

function fillCell(cell: HTMLElement, name: FigureName, figures: Figures, texts: Texts): void {
  const { calls, unanswered, tabs } = figures
  const { of, seconds } = texts.table
  const main = element('span', {})
  cell.append(main)
  switch (name) {
    case 'answered':
      main.textContent = of(figures.answered, calls)
      break
    case 'rejected':
      main.textContent = String(countRejected(figures))
      for (const [reason, count] of figures.rejected) cell.append(element('small', {}, `${reason} × ${count}`))
      break
    case 'workingTabs':
      main.textContent = of(figures.workingTabs, tabs)
      break
    case 'duration':
      main.textContent = seconds(figures.duration, unanswered > 0)
      break
    default:
      main.textContent = String(figures[name])
  }
  cell.dataset.state = isBad(name, figures) ? 'bad' : 'plain'
}

/** Outcomes that no user should see, even if the servers fail. */
function isBad(name: FigureName, figures: Figures): boolean {
  switch (name) {
    case 'unanswered':
    case 'reuseDetections':
      return figures[name] > 0
    case 'sentToLogin':
      return figures.sentToLogin > figures.tabs
    case 'duration':
      return figures.unanswered > 0
    default:
      return false
  }
}
