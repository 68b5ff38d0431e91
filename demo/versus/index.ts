import './versus.css'
import { element } from '../page/element.ts'
import { createCodeView } from './code-view.ts'
import type { TabState } from './figures.ts'
import { type ScenarioName, scenarioNames } from './scenarios.ts'
import { createSideView, type SideState } from './side-view.ts'
import { callsPerTab, type Phase, runStorm, type Side, sides, tabCount } from './storm.ts'
import { fillTable } from './table-view.ts'
import { type Language, texts as textsOf } from './texts.ts'

export interface Versus {
  setLanguage(language: Language): void
}

export interface VersusOptions {
  readonly language: Language
  /** The time after which a call counts as unanswered, in milliseconds. Default: 10 seconds. */
  readonly limits?: Partial<Readonly<Record<Side, number>>>
}

/** Runs the same storm with hand-written code and with lingpai, and counts both. */
export function mountVersus(place: HTMLElement, options: VersusOptions): Versus {
  let texts = textsOf[options.language]
  let chosen: ScenarioName = 'expired'
  let ran: ScenarioName | undefined
  let isRunning = false
  let isDrawn = true
  const states: Record<Side, SideState> = { 'hand-written': { tabs: [] }, lingpai: { tabs: [] } }

  const lead = element('p', { className: 'versus-lead' })
  const legend = element('legend', {})
  const choices = scenarioNames.map((name) => createChoice(name, () => choose(name)))
  const explanation = element('p', { className: 'versus-explanation' })
  explanation.setAttribute('aria-live', 'polite')
  const start = element('button', { type: 'button', className: 'main' })
  const hint = element('span', { className: 'quiet' })
  const views = { 'hand-written': createSideView('hand-written'), lingpai: createSideView('lingpai') }
  const key = element('ul', { className: 'versus-key' })
  const table = element('table', { className: 'versus-table', hidden: true })
  const code = createCodeView()

  const choose = (name: ScenarioName): void => {
    chosen = name
    draw()
  }

  const draw = (): void => {
    isDrawn = true
    for (const side of sides) views[side].show(states[side], texts)
    explanation.textContent = texts.scenarios[chosen].explanation
    const figuresOf = Object.fromEntries(
      sides.flatMap((side) => {
        const { figures } = states[side]
        return figures ? [[side, figures]] : []
      }),
    )
    table.hidden = ran === undefined || Object.keys(figuresOf).length === 0
    if (ran !== undefined) fillTable(table, texts.scenarios[ran].name, figuresOf, texts)
  }

  /** Many calls end at once, so one draw shows them all. */
  const drawSoon = (): void => {
    if (!isDrawn) return
    isDrawn = false
    setTimeout(draw, 50)
  }

  const runSide = async (side: Side, scenario: ScenarioName): Promise<void> => {
    try {
      const onChange = (phase: Phase, tabs: readonly TabState[]): void => {
        states[side] = { phase, tabs }
        drawSoon()
      }
      const figures = await runStorm(side, scenario, views[side].frames, onChange, options.limits?.[side])
      states[side] = { tabs: states[side].tabs, figures }
    } catch (error) {
      states[side] = { tabs: states[side].tabs, problem: error instanceof Error ? error.message : String(error) }
    }
    drawSoon()
  }

  const run = async (): Promise<void> => {
    if (isRunning) return
    isRunning = true
    ran = chosen
    start.setAttribute('aria-disabled', 'true')
    for (const side of sides) states[side] = { tabs: [] }
    draw()
    await Promise.all(sides.map((side) => runSide(side, chosen)))
    isRunning = false
    start.removeAttribute('aria-disabled')
    place.dataset.ran = ran
  }

  const translate = (): void => {
    lead.textContent = texts.lead
    legend.textContent = texts.choose
    for (const choice of choices) choice.label.textContent = texts.scenarios[choice.name].name
    start.textContent = texts.start(tabCount * callsPerTab)
    hint.textContent = texts.startHint
    key.replaceChildren(
      ...(['waiting', 'answered', 'rejected', 'unanswered'] as const).map((state) => {
        const square = element('i', {})
        square.dataset.state = state
        square.setAttribute('aria-hidden', 'true')
        return element('li', {}, square, texts.legend[state])
      }),
    )
    code.show(texts)
    draw()
  }

  start.addEventListener('click', () => void run())
  place.classList.add('versus')
  place.replaceChildren(
    lead,
    element(
      'fieldset',
      { className: 'versus-scenarios' },
      legend,
      element('div', {}, ...choices.map(({ root }) => root)),
    ),
    explanation,
    element('div', { className: 'actions' }, start, hint),
    element('div', { className: 'versus-columns' }, ...sides.map((side) => views[side].root)),
    key,
    table,
    code.root,
  )
  translate()

  return {
    setLanguage(language) {
      texts = textsOf[language]
      translate()
    },
  }
}

function createChoice(name: ScenarioName, onChoice: () => void) {
  const input = element('input', { type: 'radio', name: 'versus-scenario', value: name, checked: name === 'expired' })
  input.addEventListener('change', onChoice)
  const label = element('span', {})
  return { name, label, root: element('label', {}, input, label) }
}
