import { expireAccessTokens, readSettings, reset, type Settings } from '../control.ts'
import { element, find } from '../page/element.ts'
import { language, say } from '../page/language.ts'
import { breakItTexts } from './break-it-texts.ts'
import { showCode } from './code.ts'
import { type Control, type ControlName, controls, type GroupName, groups, type Sequel } from './controls.ts'
import { attempt, onPress } from './press.ts'

const sequelCalls = 10
/** The time between the start of the calls and an action during them, in milliseconds. */
const midst = 60

export interface BreakItActions {
  /** Attributes later events to this press. */
  begin(did: () => string, label: () => string, onTold?: (text?: string) => void): Promise<void>
  fire(count: number): void
  /** Actions of the page's own session. They call `begin` with the text of the action. */
  readonly own: Readonly<Record<OwnName, (begin: (value?: string) => Promise<void>) => Promise<void>>>
}

type OwnName = { [Name in ControlName]: (typeof controls)[Name] extends { kind: 'own' } ? Name : never }[ControlName]

/** The controls that break something, by group, each with the app's code for it. */
export function createBreakIt({ begin, fire, own }: BreakItActions) {
  const shown: ((settings: Settings) => void)[] = []
  const sequelChoice = find('sequel', HTMLInputElement)

  for (const name of Object.keys(groups) as GroupName[]) {
    const { controls: names, code } = groups[name]
    const text = () => breakItTexts().groups[name]
    const list = element('ul', { className: 'controls' }, ...names.map(createRow))
    const heading = say(element('h3', {}), () => text().heading)
    const line = say(element('p', { className: 'quiet' }), () => text().line)
    find('groups', HTMLElement).append(
      element('section', { className: 'card group' }, element('div', {}, heading, line, list), showCode(code)),
    )
  }
  onPress('reset', async () => {
    await begin(
      () => breakItTexts().didReset,
      () => breakItTexts().reset,
    )
    await reset()
    await showSettings()
  })

  function createRow(name: ControlName): HTMLElement {
    const control: Control = controls[name]
    const text = () => breakItTexts().controls[name]
    const hint = say(element('p', { className: 'hint quiet', id: `hint-${name}` }), () => text().hint)
    const told = element('p', { className: 'told', hidden: true })
    const beginHere = (value = () => '') => {
      showTold()
      return begin(
        () => text().did(value()),
        () => text().label,
        showTold,
      )
    }
    function showTold(news = ''): void {
      told.hidden = news === ''
      told.textContent = news
    }

    if (control.kind === 'slider') return createSlider()
    const button = element('button', { type: 'button', id: `control-${name}` })
    button.setAttribute('aria-describedby', hint.id)
    if (control.kind === 'press') {
      button.addEventListener('click', () => perform(control.perform, control.sequel, control.isDuringCalls))
    } else if (control.kind === 'switch') {
      const { perform: turn, sequel, read } = control
      button.setAttribute('role', 'switch')
      shown.push((settings) => button.setAttribute('aria-checked', String(read(settings))))
      button.addEventListener('click', () => {
        const isOn = button.getAttribute('aria-checked') !== 'true'
        button.setAttribute('aria-checked', String(isOn))
        const value = () => (isOn ? breakItTexts().on : breakItTexts().off)
        void perform(() => turn(isOn), sequel, false, value)
      })
    } else {
      button.addEventListener(
        'click',
        () => void attempt(() => own[name as OwnName]((value = '') => beginHere(() => value))),
      )
    }
    return element(
      'li',
      {},
      say(button, () => text().label),
      hint,
      told,
    )

    async function perform(work: () => Promise<void>, sequel: Sequel, isDuringCalls = false, value?: () => string) {
      await attempt(async () => {
        await beginHere(value)
        const isFollowed = sequel !== 'none' && sequelChoice.checked
        if (isFollowed && isDuringCalls) {
          fire(sequelCalls)
          await new Promise((resolve) => setTimeout(resolve, midst))
        }
        await work()
        if (isFollowed && !isDuringCalls) {
          if (sequel === 'expire-and-calls') await expireAccessTokens()
          fire(sequelCalls)
        }
      })
      await attempt(showSettings)
    }

    function createSlider(): HTMLElement {
      const { min, max, step, unit, read, perform: set } = control as Extract<Control, { kind: 'slider' }>
      const input = element('input', {
        type: 'range',
        id: `control-${name}`,
        min: String(min),
        max: String(max),
        step: String(step),
      })
      input.setAttribute('aria-describedby', hint.id)
      const label = say(element('label', { htmlFor: input.id }), () => text().label)
      const output = element('output', { htmlFor: input.id } as never)
      const write = (value: number) =>
        unit === 's'
          ? `${value}${language.get() === 'zh' ? ' 秒' : ' s'}`
          : `${(value / 1000).toFixed(1)}${language.get() === 'zh' ? ' 秒' : ' s'}`
      const draw = () => {
        output.textContent = write(input.valueAsNumber)
        input.setAttribute('aria-valuetext', output.textContent)
      }
      input.addEventListener('input', draw)
      input.addEventListener('change', () => {
        const value = input.valueAsNumber
        void perform(
          () => set(value),
          'none',
          false,
          () => write(value),
        )
      })
      language.follow(draw)
      shown.push((settings) => {
        // Does not change a control while the user moves it.
        if (document.activeElement === input && input.matches(':active')) return
        input.value = String(read(settings))
        draw()
      })
      return element('li', { className: 'slider' }, element('div', {}, label, output), input, hint, told)
    }
  }

  async function showSettings(): Promise<void> {
    const settings = await readSettings()
    for (const show of shown) show(settings)
  }

  return { showSettings }
}
