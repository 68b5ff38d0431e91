const { pressButton } = require('../demo-server.js')
const { describeSix, fireSix } = require('./fire-six.js')
const { probeEnd, probeError, probeMessages } = require('./probe.js')
const { session, startedAt } = getApp()

function sixOf(minimum) {
  return (result) => ({ passed: result.answered >= minimum, note: describeSix(result) })
}

// lingpai takes a timer that is later than a second for a freeze, which it forgives five times. So the timers must be on
// time again once the app is back.
function watchTimers() {
  const seconds = 40
  const enough = 3
  let frozen = 0
  const late = []
  return new Promise((resolve) => {
    const tick = (left) => {
      const due = Date.now() + 1000
      setTimeout(() => {
        const lateness = Date.now() - due
        if (frozen > 0) late.push(lateness)
        else if (lateness >= 5000) frozen = lateness
        if (frozen === 0 && left === 0) resolve({ note: `not tried: the app was not frozen within ${seconds} s` })
        else if (late.length < enough) tick(left - 1)
        else {
          const latest = Math.max.apply(null, late)
          const note = `a timer was ${frozen} ms late; after the return, at most ${latest} ms`
          resolve({ passed: latest <= 1000, note })
        }
      }, 1000)
    }
    tick(seconds)
  })
}

// `begin` starts a check and resolves with its result; one without `passed` could not be tried. `resume` reads the result
// after the app was opened again. Where `asksPerson` is true, the person says what they saw. What `takesWorker` ends the
// session, so that the app is started anew.
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
    zh: '冻结之后，定时器恢复准时',
    en: 'after a freeze, timers are on time again',
    todo: '点“开始”，切到后台 20 秒，再回来等 5 秒。',
    todoEn: 'Press start, go to the background for 20 seconds, come back, wait for 5.',
    begin: watchTimers,
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
  {
    id: 'messages',
    zh: 'Worker 消息的形式，以及第二次 onMessage',
    en: 'how messages of a worker arrive, and what a second onMessage does',
    todo: '点“开始”。这一项要占用唯一的 Worker，做完后小程序会重启。',
    todoEn: 'Press start. It takes the only worker there is, and starts the app anew.',
    takesWorker: true,
    begin: probeMessages,
  },
  {
    id: 'worker-error',
    zh: 'Worker 脚本出错时有通知',
    en: 'a worker whose script fails is told of, or goes on',
    todo: '点“开始”。做完后小程序会重启。',
    todoEn: 'Press start. The app is started anew.',
    takesWorker: true,
    begin: probeError,
  },
  {
    id: 'worker-killed',
    zh: '实验性 Worker 被回收时有通知，并能立即重新创建',
    en: 'an experimental worker that is taken back is told of, and a next one starts',
    todo: '点“开始”。做完后小程序会重启。主要看 iOS。',
    todoEn: 'Press start. The app is started anew. It matters most on iOS.',
    takesWorker: true,
    begin: probeEnd,
  },
]
