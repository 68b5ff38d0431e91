import './page/theme.ts'
import { describeError } from './page/describe-error.ts'
import { find } from './page/element.ts'
import { createTexts, language, say, translate } from './page/language.ts'
import { session } from './session.ts'

const english = {
  signingIn: 'Signing in…',
  exchange: "One moment: the worker is exchanging the provider's code for tokens.",
  failed: 'You are not signed in',
  back: 'Back to the playground',
}

const chinese: typeof english = {
  signingIn: '正在登录…',
  exchange: '请稍候：Worker 正在用授权码换取令牌。',
  failed: '未登录',
  back: '返回演练场',
}

const texts = createTexts({ en: english, zh: chinese })
let problem: string | undefined

translate(document, texts)
say(find('title', HTMLElement), () => (problem === undefined ? texts().signingIn : texts().failed))
say(find('message', HTMLElement), () => problem ?? texts().exchange)
language.follow(() => {
  document.title = texts().signingIn
})

try {
  const { returnTo = '/' } = await session.completeSignIn(location.href)
  location.replace(returnTo)
} catch (error) {
  problem = describeError(error)
  find('title', HTMLElement).textContent = texts().failed
  find('message', HTMLElement).textContent = problem
}
