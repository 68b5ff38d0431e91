import { envelope, envelopeGrant } from 'lingpai/envelope'
import { header, indexedDBStore, serve } from 'lingpai/worker'

const origin = 'https://api.example.com'
const answers = envelope({ success: 'SUCCESS' })

export const broker = serve({
  grant: envelopeGrant<{ account: string; password: string }>({
    signIn: { url: `${origin}/login` },
    refresh: { url: `${origin}/refresh` },
    tokens: { accessToken: 'token.accessToken', refreshToken: 'token.refreshToken', subject: 'user.id' },
    rejected: [900211, 900212],
    envelope: answers,
  }),
  apis: [{ origin, attach: header('X-TOKEN'), envelope: answers }],
  store: indexedDBStore(),
})
