/** Where the servers that run beside this page are: vite.config.ts starts them and knows. */
declare module 'virtual:servers' {
  interface ServerAddresses {
    readonly issuer: string
    readonly apiOrigin: string
  }

  export const issuer: string
  export const apiOrigin: string
  /** Those of the comparison: each side has a provider and an API of its own. */
  export const versus: Readonly<Record<'hand-written' | 'lingpai', ServerAddresses>>
}
