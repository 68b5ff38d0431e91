import axios from 'axios'
import { createAuthRefresh } from 'axios-auth-refresh'
import type { Client } from './client.ts'
import { storedTokens } from './stored-tokens.ts'

export async function createAxios(tab: number): Promise<Client> {
  await storedTokens.signIn(tab)
  const client = axios.create()
  client.interceptors.request.use((request) => {
    request.headers.Authorization = `Bearer ${storedTokens.access}`
    return request
  })
  createAuthRefresh(client, () => storedTokens.refresh())
  return { read: async (url) => (await client.get(url)).data }
}
