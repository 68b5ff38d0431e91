import type { User } from 'lingpai'

/** What a person is called. */
export function nameOf(user: User | undefined): string {
  const name = user?.profile?.name
  return typeof name === 'string' ? name : (user?.subject ?? '')
}
