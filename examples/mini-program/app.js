const { connect } = require('lingpai/wechat')

App({
  session: connect({ wechat: { worker: 'workers/token.js', signInPage: { url: '/pages/login/login' } } }),
})
