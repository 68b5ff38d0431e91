import { randomBytes } from 'node:crypto'

interface LegacyTokenPair {
  readonly accessToken: string
  readonly refreshToken: string
}

type LegacyRefreshState = 'good' | 'used' | 'expired' | 'unknown'

export interface LegacyTokens {
  readonly issued: readonly string[]
  issue(subject: string): LegacyTokenPair
  /** Undefined for an unknown or expired access token. */
  subjectOf(accessToken: string): string | undefined
  refreshState(refreshToken: string): LegacyRefreshState
  /** Invalidates a valid refresh token. */
  rotate(refreshToken: string): LegacyTokenPair
  expireAccessTokens(): void
  expireRefreshTokens(): void
}

interface RefreshRecord {
  readonly subject: string
  used: boolean
  expired: boolean
}

/** An API's own tokens, as in APIs without OAuth. */
export function createLegacyTokens(accessTokenSeconds: number): LegacyTokens {
  const accessTokens = new Map<string, { readonly subject: string; readonly expiresAt: number }>()
  const refreshTokens = new Map<string, RefreshRecord>()
  const issued: string[] = []

  const issue = (subject: string): LegacyTokenPair => {
    const accessToken = `access.${randomBytes(24).toString('base64url')}`
    const refreshToken = `refresh.${randomBytes(24).toString('base64url')}`
    accessTokens.set(accessToken, { subject, expiresAt: Date.now() + accessTokenSeconds * 1000 })
    refreshTokens.set(refreshToken, { subject, used: false, expired: false })
    issued.push(accessToken, refreshToken)
    return { accessToken, refreshToken }
  }

  return {
    issued,
    issue,
    subjectOf(accessToken) {
      const record = accessTokens.get(accessToken)
      return record && record.expiresAt > Date.now() ? record.subject : undefined
    },
    refreshState(refreshToken) {
      const record = refreshTokens.get(refreshToken)
      if (!record) return 'unknown'
      if (record.used) return 'used'
      return record.expired ? 'expired' : 'good'
    },
    rotate(refreshToken) {
      const record = refreshTokens.get(refreshToken)
      if (!record) throw new Error('Only a refresh token whose state is good can be rotated.')
      record.used = true
      return issue(record.subject)
    },
    expireAccessTokens() {
      accessTokens.clear()
    },
    expireRefreshTokens() {
      for (const record of refreshTokens.values()) record.expired = true
    },
  }
}
