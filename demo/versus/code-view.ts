import { element } from '../page/element.ts'
import { highlight } from '../page/highlight.ts'
import handWrittenRequest from './hand-written/request.ts?raw'
import lingpaiRequest from './lingpai/request.ts?raw'
import lingpaiSession from './lingpai/session.ts?raw'
import lingpaiWorker from './lingpai/token.worker.ts?raw'
import { type Side, sides } from './storm.ts'
import type { Texts } from './texts.ts'

/** The unchanged files that run in the tabs. */
const files: Readonly<Record<Side, Readonly<Record<string, string>>>> = {
  'hand-written': { 'request.ts': handWrittenRequest },
  lingpai: { 'request.ts': lingpaiRequest, 'session.ts': lingpaiSession, 'token.worker.ts': lingpaiWorker },
}

export interface CodeView {
  readonly root: HTMLElement
  show(texts: Texts): void
}

export function createCodeView(): CodeView {
  const summary = element('summary', {})
  const columns = sides.map((side) => {
    const title = element('h3', {})
    const figures = Object.entries(files[side]).map(([file, text]) => {
      const code = text.trim()
      const length = element('span', { className: 'quiet' })
      const block = element('pre', { tabIndex: 0, role: 'group' }, element('code', {}, highlight(code)))
      return {
        root: element('figure', { className: 'code' }, element('figcaption', {}, file, ' ', length), block),
        show(texts: Texts): void {
          length.textContent = texts.lines(code.split('\n').length)
          block.setAttribute('aria-label', `${texts.sides[side].name}: ${texts.codeOf(file)}`)
        },
      }
    })
    return {
      root: element('div', {}, title, ...figures.map(({ root }) => root)),
      show(texts: Texts): void {
        title.textContent = texts.sides[side].name
        for (const figure of figures) figure.show(texts)
      },
    }
  })
  return {
    root: element(
      'details',
      { className: 'versus-code' },
      summary,
      element('div', { className: 'versus-columns' }, ...columns.map(({ root }) => root)),
    ),
    show(texts) {
      summary.textContent = texts.code
      for (const column of columns) column.show(texts)
    },
  }
}
