import { LingpaiError, type LingpaiErrorCode } from '../../../src/protocol/errors.ts'

/** The error that a refused call rejects with. */
export function toRefusal(code: LingpaiErrorCode, reason: string | undefined): LingpaiError {
  if (code === 'refresh_unavailable') {
    return new LingpaiError(code, `The session cannot be refreshed (${reason}): check the grant's configuration.`)
  }
  if (code === 'protocol_mismatch') return laterBuild()
  const why = reason === undefined ? 'The user is not signed in' : `The session has ended (${reason})`
  return new LingpaiError('sign_in_required', `${why}. Call session.signIn().`)
}

export function laterBuild(): LingpaiError {
  return new LingpaiError(
    'protocol_mismatch',
    "A later build of the app stored the session in a format that this tab's worker cannot read. Reload the page, and if that does not help, close the other tabs, or delete the stored session by session.signOut().",
  )
}
