const { origin } = require('../server.js')

// lingpai itself runs nine at most, so these use wx.request directly. The server delays each response and counts them.
function fireOne() {
  return new Promise((resolve) => {
    wx.request({
      url: `${origin}/demo/wait`,
      method: 'POST',
      data: { milliseconds: 300 },
      success: ({ statusCode, data }) =>
        resolve(statusCode === 200 ? { atOnce: data.data.atOnce } : { errMsg: `status ${statusCode}` }),
      fail: ({ errMsg }) => resolve({ errMsg }),
    })
  })
}

exports.fireEleven = () =>
  Promise.all(Array.from({ length: 11 }, fireOne)).then((outcomes) => {
    const answers = outcomes.filter(({ errMsg }) => errMsg === undefined)
    const refusals = outcomes.map(({ errMsg }) => errMsg).filter((errMsg) => errMsg !== undefined)
    const atOnce = Math.max.apply(null, [0].concat(answers.map((answer) => answer.atOnce)))
    const rest = refusals.length > 0 ? `refused: ${refusals.join(', ')}` : atOnce < 11 ? 'the rest waited' : 'no limit'
    return {
      answered: answers.length,
      note: `${answers.length} of 11 answered · at most ${atOnce} at once at the server · ${rest}`,
    }
  })
