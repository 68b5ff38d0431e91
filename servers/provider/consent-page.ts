import { escapeHtml, layOutPage } from './page-layout.ts'

export function consentPage(clientId: string, scopes: readonly string[]): string {
  return layOutPage(
    'Allow access?',
    `<p><strong>${escapeHtml(clientId)}</strong> asks for:</p>
<ul>${scopes.map((scope) => `<li><code>${escapeHtml(scope)}</code></li>`).join('')}</ul>
<form method="post">
<div class="buttons">
<button id="allow" name="action" value="allow">Allow</button>
<button id="cancel" name="action" value="cancel" class="quiet">Cancel</button>
</div>
</form>`,
  )
}
