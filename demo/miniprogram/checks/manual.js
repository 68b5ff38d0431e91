const { pressButton } = require('../demo-server.js')
const { describeSix, fireSix } = require('./fire-six.js')
const { session, startedAt } = getApp()

function sixOf(minimum) {
  return (result) => ({ passed: result.answered >= minimum, note: describeSix(result) })
}

function watchClock(milliseconds) {
  return new Promise((resolve) => {
    const begun = Date.now()
    let last = begun
    let longest = 0
    const timer = setInterval(() => {
      const now = Date.now()
      longest = Math.max(longest, now - last)
      last = now
      if (now - begun < milliseconds) return
      clearInterval(timer)
      resolve({ passed: true, note: `the longest gap of a timer of 500 ms: ${longest} ms` })
    }, 500)
  })
}

// `begin` starts a check and resolves with its result. `resume` reads the result after the app was opened again. Where
// `asksPerson` is true, the person says what they saw.
module.exports = [
  {
    id: 'background',
    zh: '续期时切到后台',
    en: 'in the background during a refresh',
    todo: '点“开始”，马上回到桌面，等 15 秒，再回来。',
    todoEn: 'Press start, go to the home screen at once, wait 15 seconds, come back.',
    begin: () => pressButton('hold-refreshes', { milliseconds: 8000 }).then(fireSix).then(sixOf(6)),
  },
  {
    id: 'airplane',
    zh: '续期时断网',
    en: 'without a network during a refresh',
    todo: '点“开始”，马上打开飞行模式，等 5 秒，再关掉。没有变成“请先登录”就算通过。',
    todoEn: 'Press start, switch airplane mode on at once, wait 5 seconds, switch it off. No sign-in may be asked for.',
    begin: () =>
      pressButton('hold-refreshes', { milliseconds: 4000, refusesFirst: true })
        .then(fireSix)
        .then((result) => ({
          passed: result.outcomes.indexOf('sign_in_required') < 0 && session.getSnapshot().status === 'signed-in',
          note: describeSix(result),
        })),
  },
  {
    id: 'killed',
    zh: '关掉小程序再打开，仍是登录状态',
    en: 'still signed in after the app was ended',
    todo: '点“开始”，在多任务界面划掉微信，再打开小程序，回到这一页。',
    todoEn: 'Press start, end WeChat in the task switcher, open the app again, come back to this page.',
    begin: () => new Promise(() => {}),
    resume: (begunAt) => {
      if (startedAt < begunAt) return Promise.resolve(undefined)
      const { status, user } = session.getSnapshot()
      return Promise.resolve({ passed: status === 'signed-in', note: `${status} ${user ? user.subject : ''}` })
    },
  },
  {
    id: 'freeze',
    zh: '冻结后定时器晚了多少',
    en: 'how late timers are after a freeze',
    todo: '点“开始”，切到后台 20 秒，再回来。',
    todoEn: 'Press start, go to the background for 20 seconds, come back.',
    begin: () => watchClock(15000),
  },
  {
    id: 'memory',
    zh: '内存不足后，Worker 还在或已重启',
    en: 'after low memory, the worker lives or was started again',
    todo: '打开相机和几个大应用，再回来点“开始”。主要看 iOS。',
    todoEn: 'Open the camera and some big apps, come back, then press start. It matters most on iOS.',
    begin: () => fireSix().then(sixOf(6)),
  },
  {
    id: 'revoked',
    zh: '吊销后只有一次提示、一次跳转',
    en: 'after a revocation: one toast, one login page',
    todo: '点“开始”，数一下弹了几次提示、跳了几次登录页；登录后回到这一页，选“通过”或“不通过”。',
    todoEn: 'Press start, count toasts and login pages; sign in, come back here, and say pass or fail.',
    asksPerson: true,
    begin: () =>
      pressButton('revoke')
        .then(fireSix)
        .then(() => new Promise(() => {})),
  },
]
