import type { Random } from './random.ts'

export type UserName = 'ann' | 'bob'

/** Every token contains one of these, so that the simulation detects any part of it in the wrong place. */
export const ACCESS_MARK = 'at~'
export const REFRESH_MARK = 'rt~'

/** The server's view of a session, from its sign-in. */
export interface Family {
  readonly id: number
  readonly user: UserName
  /** The number of the valid refresh token. */
  current: number
  /** When each refresh token was used, by its number. */
  readonly usedAt: Map<number, number>
  accessTokens: number
  /** Why the session ended: it was revoked, or a refresh token was reused. */
  ended: 'revoked' | 'reuse' | undefined
}

export interface AccessToken {
  readonly family: Family
  readonly expiresAt: number
  isRevoked: boolean
}

export interface Answer {
  readonly status: number
  readonly body: string
}

export interface AuthorizationServerOptions {
  readonly now: () => number
  readonly random: Random
  readonly life: number | undefined
  readonly rotates: boolean
  readonly grace: number
  onReuse(family: Family, refreshToken: number): void
}

/** Rotates refresh tokens. Ends a session if a used refresh token is reused after the grace period (RFC 9700 §4.14.2). */
export function createAuthorizationServer(options: AuthorizationServerOptions) {
  const { now, random, life, rotates, grace } = options
  const families: Family[] = []
  const accessTokens = new Map<string, AccessToken>()

  function refreshTokenOf(family: Family, number: number): string {
    return `${REFRESH_MARK}${family.id}.${number}~`
  }

  function read(refreshToken: string): { family: Family; number: number } | undefined {
    const [, id, number] = /^rt~(\d+)\.(\d+)~$/.exec(refreshToken) ?? []
    const family = families[Number(id) - 1]
    return family && { family, number: Number(number) }
  }

  function issue(family: Family): Answer {
    const accessToken = `${ACCESS_MARK}${family.id}.${++family.accessTokens}~`
    const lifetime = life === undefined ? 600_000 : life * 1000
    accessTokens.set(accessToken, { family, expiresAt: now() + lifetime, isRevoked: false })
    return {
      status: 200,
      body: JSON.stringify({
        accessToken,
        ...(life !== undefined && { expiresIn: life }),
        ...((rotates || family.accessTokens === 1) && { refreshToken: refreshTokenOf(family, family.current) }),
        subject: family.user,
        profile: { name: family.user, session: family.id },
      }),
    }
  }

  function signIn(user: UserName): Answer {
    const family: Family = {
      id: families.length + 1,
      user,
      current: 1,
      usedAt: new Map(),
      accessTokens: 0,
      ended: undefined,
    }
    families.push(family)
    return issue(family)
  }

  return {
    families,
    read,
    signIn,

    refresh(refreshToken: string): Answer {
      const found = read(refreshToken)
      const refused = { status: 400, body: '{"error":"invalid_grant"}' }
      if (found === undefined || found.family.ended !== undefined) return refused
      const { family, number } = found
      if (number === family.current) {
        if (rotates) {
          family.usedAt.set(number, now())
          family.current += 1
        }
        return issue(family)
      }
      const usedAt = family.usedAt.get(number) ?? 0
      const isInGrace = number === family.current - 1 && now() - usedAt < grace
      if (isInGrace) return issue(family)
      family.ended = 'reuse'
      options.onReuse(family, number)
      return refused
    },

    /** A fault: answers a refresh with the tokens of another user. */
    mixUp: ({ user }: Family): Answer => signIn(user === 'ann' ? 'bob' : 'ann'),

    revoke(refreshToken: string): Answer {
      const found = read(refreshToken)
      if (found !== undefined) found.family.ended ??= 'revoked'
      return { status: 200, body: '' }
    },

    /** The API's introspection of an access token. */
    introspect(accessToken: string): { family: Family | undefined; expiresAt: number; isGood: boolean } {
      const known = accessTokens.get(accessToken)
      const isGood =
        known !== undefined && !known.isRevoked && known.family.ended === undefined && now() < known.expiresAt
      return { family: known?.family, expiresAt: known?.expiresAt ?? 0, isGood }
    },

    /** As an administrator does: access tokens end early, but the session continues. */
    revokeAccessTokens(): void {
      for (const token of accessTokens.values()) if (random.chance(0.7)) token.isRevoked = true
    },
  }
}

export type AuthorizationServer = ReturnType<typeof createAuthorizationServer>
