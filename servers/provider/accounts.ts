export interface AccountProfile {
  readonly subject: string
  readonly name: string
  readonly email: string
}

const password = 'lingpai'

const profiles: readonly AccountProfile[] = [
  { subject: 'alice', name: 'Alice Liddell', email: 'alice@example.com' },
  { subject: 'bob', name: 'Bob Dobalina', email: 'bob@example.com' },
]

export function findProfile(subject: string): AccountProfile | undefined {
  return profiles.find((profile) => profile.subject === subject)
}

export function checkPassword(account: string, candidate: string): AccountProfile | undefined {
  return candidate === password ? findProfile(account) : undefined
}
