import { escapeHtml, layOutPage } from './page-layout.ts'

export interface SignInPageOptions {
  readonly clientId: string
  readonly account: string
  readonly problem?: string | undefined
}

/** The ids are what tests and people's scripts hold on to: account, password, sign-in, cancel, problem. */
export function signInPage(options: SignInPageOptions): string {
  const { clientId, account, problem } = options
  // The next thing to fill in, so that a person can start typing.
  const focus = account === '' ? 'account' : 'password'
  const autofocus = (field: string): string => (field === focus ? ' autofocus' : '')
  return layOutPage(
    'Sign in',
    `<p>to continue to <strong>${escapeHtml(clientId)}</strong></p>
${problem === undefined ? '' : `<p id="problem" role="alert">${escapeHtml(problem)}</p>`}
<form method="post">
<label>Account
<input id="account" name="account" value="${escapeHtml(account)}" required autocomplete="username" autocapitalize="none" spellcheck="false"${autofocus('account')}>
</label>
<label>Password
<input id="password" name="password" type="password" required autocomplete="current-password"${autofocus('password')}>
</label>
<div class="buttons">
<button id="sign-in" name="action" value="sign-in">Sign in</button>
<button id="cancel" name="action" value="cancel" class="quiet" formnovalidate>Cancel</button>
</div>
</form>
<small>Accounts <code>alice</code> and <code>bob</code>, password <code>lingpai</code>.</small>`,
  )
}
