const KEY = 'checklist.speed'
// About as long as a session with two JWTs.
const TEXT = new Array(4001).join('x')
const ROUNDS = 10

function perform(api, options) {
  const startedAt = Date.now()
  return new Promise((resolve, reject) => {
    wx[api](
      Object.assign({ key: KEY, encrypt: true }, options, {
        success: ({ data }) => resolve({ data, milliseconds: Date.now() - startedAt }),
        fail: ({ errMsg }) => reject(new Error(errMsg)),
      }),
    )
  })
}

function writeAndRead(number) {
  const data = number + TEXT
  return perform('setStorage', { data }).then((write) =>
    perform('getStorage').then((read) => ({
      isKept: read.data === data,
      write: write.milliseconds,
      read: read.milliseconds,
    })),
  )
}

// The worker stores new tokens before any call uses them, so slow storage makes slow calls.
exports.measureStorage = () => {
  const rounds = []
  const numbers = Array.from({ length: ROUNDS }, (_, number) => number)
  return numbers
    .reduce(
      (before, number) => before.then(() => writeAndRead(number)).then((round) => rounds.push(round)),
      Promise.resolve(),
    )
    .then(() => {
      wx.removeStorageSync(KEY)
      const slowestOf = (kind) => rounds.reduce((slowest, round) => Math.max(slowest, round[kind]), 0)
      const [write, read] = [slowestOf('write'), slowestOf('read')]
      const isKept = rounds.every((round) => round.isKept)
      const loss = isKept ? '' : 'the value that was read is not the one that was written · '
      return {
        isKept,
        slowest: Math.max(write, read),
        note: `${loss}slowest write ${write} ms, slowest read ${read} ms`,
      }
    })
}
