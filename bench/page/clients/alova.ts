import { createAlova } from 'alova'
import { createServerTokenAuthentication } from 'alova/client'
import adapterFetch from 'alova/fetch'
import { type Client, readGood } from './client.ts'
import { storedTokens } from './stored-tokens.ts'

export async function createAlovaClient(tab: number): Promise<Client> {
  await storedTokens.signIn(tab)
  const { onAuthRequired, onResponseRefreshToken } = createServerTokenAuthentication({
    assignToken(method) {
      method.config.headers.Authorization = `Bearer ${storedTokens.access}`
    },
    refreshTokenOnSuccess: {
      isExpired: (response) => response.status === 401,
      handler: () => storedTokens.refresh(),
    },
  })
  const client = createAlova({
    requestAdapter: adapterFetch(),
    // With its cache and its sharing of equal requests, the measurement would not include the network.
    cacheFor: null,
    shareRequest: false,
    beforeRequest: onAuthRequired(),
    responded: onResponseRefreshToken(readGood),
  })
  return { read: (url) => client.Get(url) }
}
