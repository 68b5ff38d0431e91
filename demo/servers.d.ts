/** The addresses of the servers that vite.config.ts starts beside this page. */
declare module 'virtual:servers' {
  interface ServerAddresses {
    readonly issuer: string
    readonly apiOrigin: string
  }

  export const issuer: string
  export const apiOrigin: string
  /** The servers of the comparison: each side has its own provider and API. */
  export const versus: Readonly<Record<'hand-written' | 'lingpai', ServerAddresses>>
}
