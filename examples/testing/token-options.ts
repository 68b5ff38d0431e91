import { oauth } from 'lingpai/oauth'

/** What token.worker.ts gives to `serve`, but for the store. */
export const options = {
  grant: oauth({ issuer: 'https://id.example.com', clientId: 'web' }),
  apis: [{ origin: 'https://api.example.com' }],
}
