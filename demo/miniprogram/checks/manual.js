const { pressButton } = require('../demo-server.js')
const { describeSix, fireSix } = require('./fire-six.js')
const { probeEnd, probeError, probeMessages } = require('./probe.js')
const { session, startedAt } = getApp()

function sixOf(minimum) {
  return (result) => ({ passed: result.answered >= minimum, note: describeSix(result) })
}

// lingpai takes a timer that is more than a second late for a freeze, and tolerates five of them. So the timers must be on
// time again after the app returns to the foreground.
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

// `begin` starts a check and resolves with its result; a result without `passed` means that it could not be tried. `resume`
// reads the result after the app was opened again. If `asksPerson` is true, the user chooses the result. A check that
// `takesWorker` closes the session, so the app restarts afterwards.
module.exports = [
  {
    id: 'background',
    zh: '刷新期间切到后台',
    en: 'in the background during a refresh',
    todo: '点击“开始”后立即返回桌面，等待 15 秒，再回到小程序。',
    todoEn: 'Press start, go to the home screen at once, wait 15 seconds, come back.',
    begin: () => pressButton('hold-refreshes', { milliseconds: 8000 }).then(fireSix).then(sixOf(6)),
  },
  {
    id: 'airplane',
    zh: '刷新期间断网',
    en: 'without a network during a refresh',
    todo: '点击“开始”后立即打开飞行模式，等待 5 秒后关闭。没有出现“请先登录”即为通过。',
    todoEn:
      'Press start, switch airplane mode on at once, wait 5 seconds, switch it off. The app must not ask for a sign-in.',
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
    zh: '结束小程序后重新打开，仍保持登录',
    en: 'still signed in after the app was ended',
    todo: '点击“开始”，在多任务界面结束微信，再打开小程序并回到本页。',
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
    zh: '冻结结束后，定时器恢复准时',
    en: 'after a freeze, timers are on time again',
    todo: '点击“开始”，切到后台 20 秒，再回到小程序等待 5 秒。',
    todoEn: 'Press start, go to the background for 20 seconds, come back, wait for 5.',
    begin: watchTimers,
  },
  {
    id: 'memory',
    zh: '内存不足后，Worker 仍在运行或已重启',
    en: 'after low memory, the worker still runs or was restarted',
    todo: '打开相机和几个占用内存较多的应用，再回到小程序点击“开始”。主要针对 iOS。',
    todoEn: 'Open the camera and some big apps, come back, then press start. It matters most on iOS.',
    begin: () => fireSix().then(sixOf(6)),
  },
  {
    id: 'revoked',
    zh: '吊销令牌后只有一次提示、一次跳转',
    en: 'after a revocation: one toast, one sign-in page',
    todo: '点击“开始”，统计提示和跳转登录页的次数；登录后回到本页，选择“通过”或“不通过”。',
    todoEn: 'Press start, count toasts and sign-in pages; sign in, come back here, and press pass or fail.',
    asksPerson: true,
    begin: () =>
      pressButton('revoke')
        .then(fireSix)
        .then(() => new Promise(() => {})),
  },
  {
    id: 'messages',
    zh: 'Worker 消息的格式，以及再次调用 onMessage 的行为',
    en: 'the form of the messages of a worker, and the effect of a second onMessage',
    todo: '点击“开始”。本项会占用唯一的 Worker，完成后小程序会重启。',
    todoEn: 'Press start. This takes the only worker, and the app restarts afterwards.',
    takesWorker: true,
    begin: probeMessages,
  },
  {
    id: 'worker-error',
    zh: 'Worker 脚本出错时触发 onError，或继续运行',
    en: 'a worker whose script fails causes onError, or continues',
    todo: '点击“开始”。完成后小程序会重启。',
    todoEn: 'Press start. The app restarts afterwards.',
    takesWorker: true,
    begin: probeError,
  },
  {
    id: 'worker-killed',
    zh: '实验性 Worker 被回收时触发 onProcessKilled，并能立即重新创建',
    en: 'the end of an experimental worker causes onProcessKilled, and another one can start',
    todo: '点击“开始”。完成后小程序会重启。主要针对 iOS。',
    todoEn: 'Press start. The app restarts afterwards. It matters most on iOS.',
    takesWorker: true,
    begin: probeEnd,
  },
]
