const { origin } = require('./server.js')
const { session } = getApp()

// Controls of the demo's server; your own API has none. With `auth: false`, the call has no token and waits for none.
exports.pressButton = (name, data) =>
  session.request({ url: `${origin}/demo/${name}`, method: 'POST', data: data || {}, auth: false })
