import { generateKeyPairSync, randomUUID, sign } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { allowOrigin, answerPreflight, isPreflight } from '../../servers/http/cors.ts'
import { answerJson } from '../../servers/http/json.ts'
import { readBody } from '../../servers/http/request-body.ts'

interface IssuedTokens {
  readonly accessToken: string
  readonly refreshToken: string
  readonly expiresIn: number
}

export interface TokenEndpoint {
  readonly counters: { readonly refreshes: number; readonly reuses: number }
  isValid(accessToken: string): boolean
  signIn(): IssuedTokens
  /** Makes the API reject every access token issued so far. Later tokens live an hour. */
  expire(): void
  fail(how: 'unavailable' | 'rejected'): void
  handle(issuer: string, request: IncomingMessage, response: ServerResponse): Promise<void>
}

/** One sign-in and all its tokens. */
interface Family {
  isRevoked: boolean
}

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })

/**
 * An authorization server with the paths of Auth0. Its user is always signed in: `/authorize` redirects back with a code at
 * once. Refresh tokens rotate, and reuse of one revokes its family (RFC 9700 §4.14.2).
 */
export function createTokenEndpoint(firstLife: number): TokenEndpoint {
  const refreshTokens = new Map<string, { readonly family: Family; isSpent: boolean }>()
  const codes = new Map<string, string | null>()
  const counters = { refreshes: 0, reuses: 0 }
  let accessTokens = new Map<string, Family>()
  let life = firstLife
  let fault: 'unavailable' | 'rejected' | undefined

  function issue(family: Family): IssuedTokens {
    const accessToken = randomUUID()
    const refreshToken = randomUUID()
    accessTokens.set(accessToken, family)
    refreshTokens.set(refreshToken, { family, isSpent: false })
    return { accessToken, refreshToken, expiresIn: life }
  }

  function idToken(issuer: string, nonce: string | null): string {
    const now = Math.floor(Date.now() / 1000)
    const claims = {
      iss: `${issuer}/`,
      aud: 'bench',
      sub: 'user',
      iat: now,
      exp: now + 3600,
      ...(nonce !== null && { nonce }),
    }
    const content = [{ alg: 'RS256', typ: 'JWT' }, claims]
      .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.')
    return `${content}.${sign('sha256', Buffer.from(content), privateKey).toString('base64url')}`
  }

  function answerTokens(response: ServerResponse, issuer: string, family: Family, nonce: string | null): void {
    const { accessToken, refreshToken, expiresIn } = issue(family)
    answerJson(response, 200, {
      access_token: accessToken,
      refresh_token: refreshToken,
      id_token: idToken(issuer, nonce),
      token_type: 'Bearer',
      expires_in: expiresIn,
      scope: 'openid offline_access',
    })
  }

  function refresh(response: ServerResponse, issuer: string, token: string | null): void {
    counters.refreshes += 1
    if (fault === 'unavailable') {
      fault = undefined
      answerJson(response, 503, { error: 'temporarily_unavailable' })
      return
    }
    const known = refreshTokens.get(token ?? '')
    if (known?.isSpent) {
      counters.reuses += 1
      known.family.isRevoked = true
    }
    if (fault === 'rejected' || known === undefined || known.family.isRevoked) {
      answerJson(response, 400, { error: 'invalid_grant' })
      return
    }
    known.isSpent = true
    answerTokens(response, issuer, known.family, null)
  }

  return {
    counters,
    isValid: (token) => accessTokens.get(token)?.isRevoked === false,
    signIn: () => issue({ isRevoked: false }),
    expire() {
      accessTokens = new Map()
      life = 3600
    },
    fail(how) {
      fault = how
    },

    async handle(issuer, request, response) {
      allowOrigin(request, response)
      response.setHeader('Cache-Control', 'no-store')
      if (isPreflight(request)) {
        answerPreflight(request, response)
        return
      }
      const { pathname, searchParams } = new URL(request.url ?? '/', issuer)
      if (pathname === '/.well-known/openid-configuration') {
        answerJson(response, 200, {
          issuer: `${issuer}/`,
          authorization_endpoint: `${issuer}/authorize`,
          token_endpoint: `${issuer}/oauth/token`,
        })
        return
      }
      if (pathname === '/authorize') {
        const code = randomUUID()
        codes.set(code, searchParams.get('nonce'))
        const back = new URL(searchParams.get('redirect_uri') ?? '')
        back.searchParams.set('code', code)
        back.searchParams.set('state', searchParams.get('state') ?? '')
        response.writeHead(302, { Location: back.href }).end()
        return
      }
      if (pathname !== '/oauth/token') {
        answerJson(response, 404, { error: 'not_found' })
        return
      }
      const form = new URLSearchParams((await readBody(request)).toString())
      if (form.get('grant_type') === 'refresh_token') refresh(response, issuer, form.get('refresh_token'))
      else if (codes.has(form.get('code') ?? ''))
        answerTokens(response, issuer, { isRevoked: false }, codes.get(form.get('code') ?? '') ?? null)
      else answerJson(response, 400, { error: 'invalid_grant' })
    },
  }
}
