import type { errors, Interaction, Provider } from 'oidc-provider'
import type { RequestHandler } from '../http/http-server.ts'
import { readBody } from '../http/request-body.ts'
import { checkPassword } from './accounts.ts'
import { consentPage } from './consent-page.ts'
import { answerPage, chooseLanguage, messagePage } from './page-layout.ts'
import { signInPage } from './sign-in-page.ts'

export interface InteractionOptions {
  readonly provider: Provider
  readonly SessionNotFound: typeof errors.SessionNotFound
  readonly confirmConsent: boolean
  onSignIn(): void
}

/** The pages between the app's authorization request and its response. */
export function createInteractionHandler(options: InteractionOptions): RequestHandler {
  const { provider, SessionNotFound, confirmConsent, onSignIn } = options

  const allow = async (interaction: Interaction): Promise<string> => {
    const { session, grantId, params, prompt } = interaction
    if (!session) throw new Error('Consent was asked for before anyone signed in.')
    const existing = grantId === undefined ? undefined : await provider.Grant.find(grantId)
    const grant = existing ?? new provider.Grant({ accountId: session.accountId, clientId: params.client_id })
    grant.addOIDCScope((prompt.details.missingOIDCScope ?? []).join(' '))
    return grant.save()
  }

  return async (request, response) => {
    let interaction: Interaction
    try {
      interaction = await provider.interactionDetails(request, response)
    } catch (error) {
      if (!(error instanceof SessionNotFound)) throw error
      answerPage(response, 400, messagePage('This page has expired', 'Go back to the app and sign in again.'))
      return
    }

    const { prompt, params } = interaction
    const form = new URLSearchParams(request.method === 'POST' ? (await readBody(request)).toString() : '')
    const action = form.get('action')
    const language = chooseLanguage(params.ui_locales)

    if (action === 'cancel') {
      const denial = { error: 'access_denied', error_description: 'The person pressed Cancel.' }
      await provider.interactionFinished(request, response, denial, { mergeWithLastSubmission: false })
      return
    }

    if (prompt.name === 'consent') {
      if (!confirmConsent || action === 'allow') {
        const consent = { grantId: await allow(interaction) }
        await provider.interactionFinished(request, response, { consent }, { mergeWithLastSubmission: true })
        return
      }
      answerPage(response, 200, consentPage(params.client_id, params.scope?.split(' ') ?? []))
      return
    }

    if (action !== 'sign-in') {
      answerPage(response, 200, signInPage({ clientId: params.client_id, account: params.login_hint ?? '', language }))
      return
    }
    const account = form.get('account')?.trim() ?? ''
    const profile = checkPassword(account, form.get('password') ?? '')
    if (!profile) {
      answerPage(response, 401, signInPage({ clientId: params.client_id, account, isWrong: true, language }))
      return
    }
    onSignIn()
    const login = { accountId: profile.subject }
    await provider.interactionFinished(request, response, { login }, { mergeWithLastSubmission: false })
  }
}
