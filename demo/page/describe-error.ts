import { isLingpaiError } from 'lingpai'

export function describeError(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  return isLingpaiError(error) ? `${error.code}: ${message}` : message
}

/** The code of an error of lingpai's; for one of the platform's, its name. */
export function codeOf(error: unknown): string {
  if (isLingpaiError(error)) return error.code
  return error instanceof Error ? error.name : 'Error'
}
