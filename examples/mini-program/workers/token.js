const { envelope, envelopeGrant, header, serve, wechatStore } = require('./lingpai.js')

const origin = 'https://api.example.com'
const answers = envelope({ success: 'SUCCESS' })

serve({
  grant: envelopeGrant({
    signIn: { url: `${origin}/login` },
    refresh: { url: `${origin}/refresh` },
    tokens: { accessToken: 'token.accessToken', refreshToken: 'token.refreshToken', subject: 'user.id' },
    rejected: [900211, 900212],
    envelope: answers,
  }),
  apis: [{ origin, attach: header('X-TOKEN'), envelope: answers }],
  store: wechatStore(),
})
