// The only file that knows where tokens come from and where they may go.
const { serve, envelope, envelopeGrant, sortedParams, header, wechatStore } = require('./lingpai.js')
const { origin } = require('./server.js')

const answers = envelope({ success: 'SUCCESS' })
const sign = sortedParams({ algorithm: 'md5', secret: 'not-a-secret', extra: { appId: 'lingpai-demo' } })

serve({
  grant: envelopeGrant({
    signIn: { url: `${origin}/login` },
    refresh: { url: `${origin}/refresh` },
    envelope: answers,
    tokens: {
      accessToken: 'token.accessToken',
      refreshToken: 'token.refreshToken',
      subject: 'user.id',
      profile: 'user',
    },
    rejected: (code) => code > 100000,
    sign,
  }),
  apis: [{ origin, attach: header('X-TOKEN'), envelope: answers, sign, signInRequired: [403] }],
  store: wechatStore(),
})
