import type { ServerResponse } from 'node:http'
import { answerJson } from '../http/json.ts'

/** Codes of the legacy API's responses. A code above 100000 means that the user must sign in. */
export const legacyCodes = {
  success: 'SUCCESS',
  businessFailure: 42,
  badRequest: 4000,
  tokenExpired: 40101,
  forbidden: 40301,
  notFound: 40401,
  wrongPassword: 100401,
  wrongCode: 100402,
  refreshExpired: 900211,
  refreshInvalid: 900212,
} as const

export function succeed(response: ServerResponse, data: unknown): void {
  answerJson(response, 200, { code: legacyCodes.success, message: '', data })
}

export function refuse(response: ServerResponse, code: number, message: string, status = 200): void {
  answerJson(response, status, { code, message, data: null })
}
