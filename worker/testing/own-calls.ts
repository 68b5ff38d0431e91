import { type TokenCalls, toJson } from './oauth-calls.ts'
import type { TokenRegister } from './token-register.ts'

/**
 * The sign-in, refresh and sign-out calls of an API's own, for an app whose grant is not `oauth()`. The server finds the
 * refresh token in any part of a request. It compares URLs without their query.
 */
export interface OwnCalls {
  readonly signIn?: {
    readonly url: string
    /** The user of a sign-in, from its JSON body; undefined rejects it. Default: the field `account`, else `username`. */
    readonly user?: (data: Readonly<Record<string, unknown>>) => string | undefined
  }
  readonly refresh: { readonly url: string }
  readonly signOut?: { readonly url: string }
  /** Body of a response with tokens. Default `{code: 0, message: '', data: {accessToken, refreshToken, expiresIn, subject}}`. */
  readonly accept?: (tokens: OwnTokens) => unknown
  /**
   * The response that rejects a call. `error` is `invalid_grant` or a fault's `reject`. Default: status 401 with
   * `{code: error, message: error, data: null}`.
   */
  readonly refuse?: (error: string) => { readonly status?: number; readonly body: unknown }
}

export interface OwnTokens {
  readonly accessToken: string
  readonly refreshToken?: string
  /** In seconds. */
  readonly expiresIn: number
  readonly subject: string
}

export function createOwnCalls(own: OwnCalls, register: TokenRegister): TokenCalls {
  const {
    accept = (data) => ({ code: 0, message: '', data }),
    refuse = (error) => ({ status: 401, body: { code: error, message: error, data: null } }),
  } = own
  const userOf = own.signIn?.user ?? (({ account, username }) => toName(account) ?? toName(username))

  return {
    read({ url, headers, body }) {
      const isCallOf = (call: { readonly url: string } | undefined) =>
        call !== undefined && isSame(url, new URL(call.url))
      const find = (kind: 'access' | 'refresh') => register.findIn([url.href, ...headers].flat().join() + body, kind)
      if (isCallOf(own.refresh)) return { kind: 'refresh', refreshToken: find('refresh') ?? '' }
      if (isCallOf(own.signOut)) return { kind: 'revocation', token: find('refresh') ?? find('access') ?? '' }
      return isCallOf(own.signIn) ? { kind: 'signIn', user: userOf(parse(body)) } : undefined
    },
    accept({ user, ...tokens }) {
      return toJson(200, accept({ ...tokens, subject: user }))
    },
    refuse(error) {
      const { status = 200, body } = refuse(error)
      return { ...toJson(status, body), error }
    },
  }
}

function isSame(one: URL, other: URL): boolean {
  return one.origin === other.origin && one.pathname === other.pathname
}

function toName(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function parse(body: string): Record<string, unknown> {
  try {
    return JSON.parse(body) ?? {}
  } catch {
    return {}
  }
}
