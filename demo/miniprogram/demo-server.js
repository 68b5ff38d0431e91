const { origin } = require('./server.js')
const { session } = getApp()

// Buttons of the demo's server; your own API has none. They need no sign-in, so no token is sent and none is waited for.
exports.pressButton = (name, data) =>
  session.request({ url: `${origin}/demo/${name}`, method: 'POST', data: data || {}, auth: false })
