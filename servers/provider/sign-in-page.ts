import { escapeHtml, type Language, layOutPage } from './page-layout.ts'

export interface SignInPageOptions {
  readonly clientId: string
  readonly account: string
  readonly isWrong?: boolean
  readonly language: Language
}

const english = {
  title: 'Sign in',
  continue: (clientId: string) => `to continue to <strong>${clientId}</strong>`,
  account: 'Account',
  password: 'Password',
  signIn: 'Sign in',
  cancel: 'Cancel',
  wrong: 'Account or password is wrong.',
  hint: 'Accounts <code>alice</code> and <code>bob</code>, password <code>lingpai</code>.',
}

const texts: Readonly<Record<Language, typeof english>> = {
  en: english,
  zh: {
    title: '登录',
    continue: (clientId) => `以继续使用 <strong>${clientId}</strong>`,
    account: '账号',
    password: '密码',
    signIn: '登录',
    cancel: '取消',
    wrong: '账号或密码错误。',
    hint: '账号 <code>alice</code> 或 <code>bob</code>，密码 <code>lingpai</code>。',
  },
}

/** Tests and scripts rely on these ids: account, password, sign-in, cancel, problem. */
export function signInPage(options: SignInPageOptions): string {
  const { clientId, account, isWrong = false, language } = options
  const text = texts[language]
  // Focuses the next empty field, so that the user can start typing.
  const focus = account === '' ? 'account' : 'password'
  const autofocus = (field: string): string => (field === focus ? ' autofocus' : '')
  return layOutPage(
    text.title,
    `<p>${text.continue(escapeHtml(clientId))}</p>
${isWrong ? `<p id="problem" role="alert">${text.wrong}</p>` : ''}
<form method="post">
<label>${text.account}
<input id="account" name="account" value="${escapeHtml(account)}" required autocomplete="username" autocapitalize="none" spellcheck="false"${autofocus('account')}>
</label>
<label>${text.password}
<input id="password" name="password" type="password" required autocomplete="current-password"${autofocus('password')}>
</label>
<div class="buttons">
<button id="sign-in" name="action" value="sign-in">${text.signIn}</button>
<button id="cancel" name="action" value="cancel" class="quiet" formnovalidate>${text.cancel}</button>
</div>
</form>
<small>${text.hint}</small>`,
    language,
  )
}
