// The parts of the peers that the bench uses. Declared here, so that the type check works if they are not installed.

declare module '@auth0/auth0-spa-js' {
  export class Auth0Client {
    constructor(options: {
      domain: string
      clientId: string
      useRefreshTokens: boolean
      cacheLocation: 'memory' | 'localstorage'
      authorizationParams: { redirect_uri: string; scope: string }
    })
    loginWithRedirect(): Promise<void>
    handleRedirectCallback(): Promise<unknown>
    getTokenSilently(): Promise<string>
  }
}

declare module 'axios' {
  export interface AxiosInstance {
    get(url: string): Promise<{ data: unknown }>
    interceptors: {
      request: {
        use(change: (request: { headers: Record<string, string> }) => { headers: Record<string, string> }): number
      }
    }
  }
  const axios: { create(): AxiosInstance }
  // biome-ignore lint/style/noDefaultExport: axios has one.
  export default axios
}

declare module 'axios-auth-refresh' {
  import type { AxiosInstance } from 'axios'
  export function createAuthRefresh(instance: AxiosInstance, refresh: () => Promise<unknown>): number
}

declare module 'alova' {
  interface Method {
    config: { headers: Record<string, string> }
  }
  export function createAlova(options: {
    requestAdapter: unknown
    cacheFor: null
    shareRequest: boolean
    beforeRequest: unknown
    responded: unknown
  }): { Get(url: string): Promise<unknown> }
}

declare module 'alova/fetch' {
  const adapterFetch: () => unknown
  // biome-ignore lint/style/noDefaultExport: alova has one.
  export default adapterFetch
}

declare module 'alova/client' {
  export function createServerTokenAuthentication(options: {
    assignToken(method: { config: { headers: Record<string, string> } }): void
    refreshTokenOnSuccess: { isExpired(response: Response): boolean; handler(): Promise<void> }
  }): {
    onAuthRequired(): unknown
    onResponseRefreshToken(read: (response: Response) => Promise<unknown>): unknown
  }
}
