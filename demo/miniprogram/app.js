const { connect } = require('lingpai/wechat')

App({
  session: connect({
    wechat: {
      worker: 'workers/token.js',
      signInPage: { url: '/pages/login/login', message: '登录失败，请重新登录', delay: 1200 },
    },
  }),
  // The checklist reads it to find out whether the app was ended and opened again.
  startedAt: Date.now(),
})
