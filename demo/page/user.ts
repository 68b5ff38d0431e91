import type { User } from 'lingpai'

/** The display name of a user. */
export function nameOf(user: User | undefined): string {
  const name = user?.profile?.name
  return typeof name === 'string' ? name : (user?.subject ?? '')
}
