import banner from '../code/banner.ts?raw'
import call from '../code/call.ts?raw'
import errors from '../code/errors.ts?raw'
import session from '../code/session.ts?raw'
import signIn from '../code/sign-in.ts?raw'
import tokenWorker from '../code/token.worker.ts?raw'
import { element } from '../page/element.ts'
import { highlight } from '../page/highlight.ts'
import { language } from '../page/language.ts'
import { texts } from './texts.ts'

/** The code of an app. Each file is type-checked with the demo. */
const files = {
  'call.ts': call,
  'banner.ts': banner,
  'errors.ts': errors,
  'session.ts': session,
  'sign-in.ts': signIn,
  'token.worker.ts': tokenWorker,
} as const

export type CodeFile = keyof typeof files

/** A file as a figure. Its imports are those of an app with all files in one folder. */
export function showCode(name: CodeFile): HTMLElement {
  const code = files[name].trimEnd().replaceAll("'../session.ts'", "'./session'").replaceAll("'../", "'./")
  const pre = element('pre', { tabIndex: 0 }, element('code', {}, highlight(code)))
  language.follow(() => pre.setAttribute('aria-label', texts().codeOf(name)))
  pre.setAttribute('role', 'group')
  return element('figure', { className: 'code' }, element('figcaption', {}, name), pre)
}
