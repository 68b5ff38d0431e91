/** How an authorization server treats its tokens. Times are milliseconds. */
export interface TokenRules {
  readonly rotation: boolean
  readonly reuseDetection: boolean
  readonly grace: number
  readonly accessTokenLife: number
  readonly refreshTokenLife: number
}

/** The tokens of one sign-in. A revocation ends all of them. */
export interface TokenFamily {
  readonly user: string
  isRevoked: boolean
}

interface IssuedToken {
  /** The token's name in logs, such as `refresh-2`. */
  readonly label: string
  readonly kind: 'access' | 'refresh'
  readonly family: TokenFamily
  expiresAt: number
  consumedAt?: number
}

export interface IssuedTokens {
  readonly user: string
  readonly accessToken: string
  /** Absent if a refresh keeps the old one. */
  readonly refreshToken?: string
  /** In seconds (RFC 6749 §5.1). */
  readonly expiresIn: number
}

/** A refresh token that was used again after its grace period (RFC 9700 §4.14.2). */
export interface ReuseDetection {
  /** Milliseconds since the test began. */
  readonly at: number
  readonly token: string
  readonly user: string
}

/**
 * The tokens of an authorization server and their states. `now` is the server's clock, and `random` is uniform in [0, 1).
 */
export function createTokenRegister(rules: TokenRules, now: () => number, random: () => number) {
  const tokens = new Map<string, IssuedToken>()
  const families: TokenFamily[] = []
  const reuseDetections: ReuseDetection[] = []
  const numbers = { access: 0, refresh: 0 }

  function add(kind: 'access' | 'refresh', family: TokenFamily, life: number): string {
    const label = `${kind}-${++numbers[kind]}`
    const value = `${label}.${Math.floor(random() * 2 ** 52).toString(36)}`
    tokens.set(value, { label, kind, family, expiresAt: now() + life })
    return value
  }

  function issue(family: TokenFamily, isFirst: boolean): IssuedTokens {
    const accessToken = add('access', family, rules.accessTokenLife)
    const keepsOld = !isFirst && !rules.rotation
    return {
      user: family.user,
      accessToken,
      ...(!keepsOld && { refreshToken: add('refresh', family, rules.refreshTokenLife) }),
      expiresIn: Math.round(rules.accessTokenLife / 1000),
    }
  }

  function isAlive({ family, expiresAt }: IssuedToken): boolean {
    return !family.isRevoked && now() < expiresAt
  }

  return {
    reuseDetections: reuseDetections as readonly ReuseDetection[],

    signIn(user: string): IssuedTokens {
      const family: TokenFamily = { user, isRevoked: false }
      families.push(family)
      return issue(family, true)
    },

    /** Returns undefined for `invalid_grant`. */
    refresh(refreshToken: string): IssuedTokens | undefined {
      const token = tokens.get(refreshToken)
      if (token?.kind !== 'refresh' || !isAlive(token)) return undefined
      if (!rules.rotation) return issue(token.family, false)
      if (token.consumedAt !== undefined && now() >= token.consumedAt + rules.grace) {
        if (!rules.reuseDetection) return undefined
        reuseDetections.push({ at: now(), token: token.label, user: token.family.user })
        token.family.isRevoked = true
        return undefined
      }
      token.consumedAt ??= now()
      return issue(token.family, false)
    },

    /** The user of an access token, or undefined if an API must reject the token. */
    verify(accessToken: string | undefined): string | undefined {
      const token = tokens.get(accessToken ?? '')
      return token?.kind === 'access' && isAlive(token) ? token.family.user : undefined
    },

    /** Revoking either token ends its whole family (RFC 7009 §2.1). */
    revoke(value: string): void {
      const token = tokens.get(value)
      if (token !== undefined) token.family.isRevoked = true
    },

    revokeEverything(): void {
      for (const family of families) family.isRevoked = true
    },

    expireAccessTokens(): void {
      for (const token of tokens.values())
        if (token.kind === 'access') token.expiresAt = Math.min(token.expiresAt, now())
    },

    labelOf: (value: string | undefined): string | undefined => tokens.get(value ?? '')?.label,
    userOf: (value: string | undefined): string | undefined => tokens.get(value ?? '')?.family.user,

    /** Finds a token of a kind in the text of a request, since each API has its own field for it. */
    findIn(text: string, kind: 'access' | 'refresh'): string | undefined {
      for (const [value, token] of tokens) if (token.kind === kind && text.includes(value)) return value
      return undefined
    },
  }
}

export type TokenRegister = ReturnType<typeof createTokenRegister>
