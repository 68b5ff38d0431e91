/** Where the servers that run beside this page are: vite.config.ts starts them and knows. */
declare module 'virtual:servers' {
  export const issuer: string
  export const apiOrigin: string
}
