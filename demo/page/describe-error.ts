import { isLingpaiError } from 'lingpai'

export function describeError(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  return isLingpaiError(error) ? `${error.code}: ${message}` : message
}

/** The code of a lingpai error, or the name of another error. */
export function codeOf(error: unknown): string {
  if (isLingpaiError(error)) return error.code
  return error instanceof Error ? error.name : 'Error'
}
