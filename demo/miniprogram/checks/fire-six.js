const { pressButton } = require('../demo-server.js')
const { origin } = require('../server.js')
const { session } = getApp()

const call = (number) => session.request({ url: `${origin}/list`, method: 'POST', data: { number } })

// Expires the access token, sends six calls at once, and reads the counters of the server.
exports.fireSix = () =>
  pressButton('counters').then((before) =>
    pressButton('expire-access-tokens')
      .then(() =>
        Promise.all(
          [1, 2, 3, 4, 5, 6].map((number) =>
            call(number).then(
              () => 'ok',
              (error) => error.code,
            ),
          ),
        ),
      )
      .then((outcomes) =>
        pressButton('counters').then((after) => ({
          outcomes,
          answered: outcomes.filter((outcome) => outcome === 'ok').length,
          refreshes: after.refreshes - before.refreshes,
          reuses: after.reuseDetections - before.reuseDetections,
        })),
      ),
  )

exports.describeSix = ({ outcomes, refreshes, reuses }) =>
  `${outcomes.join(' ')} · refreshes ${refreshes} · reuse ${reuses}`
