import { layOutPage } from './page-layout.ts'

/** `form` is the provider's own. This button submits it and ends the provider's session; a script clicks it at once. */
export function signOutPage(form: string): string {
  return layOutPage(
    'Signing out',
    `${form}
<div class="buttons">
<button id="sign-out" type="submit" form="op.logoutForm" name="logout" value="yes">Sign out</button>
</div>
<script>document.getElementById('sign-out').click()</script>`,
  )
}
