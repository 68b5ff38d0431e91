import { control } from '../control.ts'
import { type Client, readGood } from './client.ts'

export interface OwnFetch extends Client {
  readonly fetch: (url: string) => Promise<Response>
}

/** The page's own fetch with a token in a variable: the divisor of every ratio. */
export async function createOwnFetch(): Promise<OwnFetch> {
  const { accessToken } = await control.signIn()
  const call = (url: string) => fetch(url, { headers: { Authorization: `Bearer ${accessToken}` } })
  return { fetch: call, read: async (url) => readGood(await call(url)) }
}
