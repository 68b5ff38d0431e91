import type { Adapter, AdapterPayload } from 'oidc-provider'

interface Entry {
  readonly payload: AdapterPayload
  readonly expiresAt: number
  consumedAt?: number
}

export interface MemoryStorage {
  adapter(model: string): Adapter
  /** Deletes all entries of these models. */
  forget(...models: string[]): void
  /** True for every refresh token that was rotated, even if it is no longer stored. */
  isSpent(refreshToken: string): boolean
}

const upsertsBetweenSweeps = 1000

/** The storage of oidc-provider. Its own in-memory adapter keeps only 1000 entries. */
export function createMemoryStorage(reuseGraceSeconds: () => number): MemoryStorage {
  const entriesByModel = new Map<string, Map<string, Entry>>()
  const spentRefreshTokens = new Map<string, number>()
  let upserts = 0

  const entriesOf = (model: string): Map<string, Entry> => {
    const known = entriesByModel.get(model)
    if (known) return known
    const entries = new Map<string, Entry>()
    entriesByModel.set(model, entries)
    return entries
  }

  const sweep = (): void => {
    const now = Date.now()
    for (const entries of entriesByModel.values()) {
      for (const [id, entry] of entries) if (entry.expiresAt <= now) entries.delete(id)
    }
  }

  const withinGrace = (consumedAt: number): boolean => Date.now() < consumedAt + reuseGraceSeconds() * 1000

  const read = (model: string, id: string): AdapterPayload | undefined => {
    const entry = entriesOf(model).get(id)
    if (!entry) return undefined
    if (entry.expiresAt <= Date.now()) {
      entriesOf(model).delete(id)
      return undefined
    }
    if (entry.consumedAt === undefined) return { ...entry.payload }
    // During the grace period, a rotated refresh token looks unused, so the provider rotates it again.
    if (model === 'RefreshToken' && withinGrace(entry.consumedAt)) return { ...entry.payload }
    return { ...entry.payload, consumed: Math.floor(entry.consumedAt / 1000) }
  }

  const findBy = (model: string, field: 'uid' | 'userCode', value: string): AdapterPayload | undefined => {
    for (const [id, entry] of entriesOf(model)) if (entry.payload[field] === value) return read(model, id)
    return undefined
  }

  return {
    adapter: (model) => ({
      async upsert(id, payload, expiresIn) {
        upserts += 1
        if (upserts % upsertsBetweenSweeps === 0) sweep()
        const expiresAt = expiresIn === undefined ? Number.POSITIVE_INFINITY : Date.now() + expiresIn * 1000
        entriesOf(model).set(id, { payload: { ...payload }, expiresAt })
      },
      async find(id) {
        return read(model, id)
      },
      async findByUid(uid) {
        return findBy(model, 'uid', uid)
      },
      async findByUserCode(userCode) {
        return findBy(model, 'userCode', userCode)
      },
      async consume(id) {
        const entry = entriesOf(model).get(id)
        if (!entry) return
        // The first use starts the grace period: repeated use must not extend it.
        entry.consumedAt ??= Date.now()
        if (model === 'RefreshToken') spentRefreshTokens.set(id, entry.consumedAt)
      },
      async destroy(id) {
        entriesOf(model).delete(id)
      },
      async revokeByGrantId(grantId) {
        const entries = entriesOf(model)
        for (const [id, entry] of entries) if (entry.payload.grantId === grantId) entries.delete(id)
      },
    }),
    forget(...models) {
      for (const model of models) entriesByModel.delete(model)
    },
    isSpent(refreshToken) {
      const consumedAt = spentRefreshTokens.get(refreshToken)
      return consumedAt !== undefined && !withinGrace(consumedAt)
    },
  }
}
