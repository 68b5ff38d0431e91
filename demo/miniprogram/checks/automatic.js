const { AbortController } = require('lingpai/wechat')
const { origin } = require('../server.js')
const { fireEleven } = require('./eleven-tasks.js')
const { describeSix, fireSix } = require('./fire-six.js')
const { measureStorage } = require('./storage-speed.js')
const { session } = getApp()

const SAMPLE = `${origin}/download?id=sample`

function expect(condition, note) {
  if (!condition) throw new Error(note)
  return note
}

// The error that the call rejected with. If the call resolves, the check fails.
const rejectionOf = (call) =>
  call.then(
    () => expect(false, 'the call did not reject'),
    (error) => error,
  )

function describePhone() {
  const base = wx.getAppBaseInfo ? wx.getAppBaseInfo() : wx.getSystemInfoSync()
  const device = wx.getDeviceInfo ? wx.getDeviceInfo() : wx.getSystemInfoSync()
  const system = [device.platform, device.system, device.model].filter((part) => part).join(' ')
  return `base library ${base.SDKVersion} · WeChat ${base.version} · ${system}`
}

// Whether the callbacks of a promise run before the next timer, as in ECMAScript. On iOS 15 and older they do not.
function describePromises() {
  return new Promise((resolve) => {
    let isFirst = false
    setTimeout(() => resolve(isFirst ? 'promises are the engine’s' : 'promises are WeChat’s own, by timers'), 0)
    Promise.resolve().then(() => {
      isFirst = true
    })
  })
}

// Reads the session without asking WeChat to decrypt it.
function readPlainly() {
  return new Promise((resolve) => {
    wx.getStorage({
      key: 'lingpai.session',
      success: ({ data }) => resolve(String(data)),
      fail: ({ errMsg }) => resolve(errMsg),
    })
  })
}

function writeFile(filePath, data) {
  return new Promise((resolve, reject) => {
    wx.getFileSystemManager().writeFile({
      filePath,
      data,
      encoding: 'utf8',
      success: resolve,
      fail: ({ errMsg }) => reject(new Error(errMsg)),
    })
  })
}

// Each check resolves with a note about what it found. A check that rejects has failed.
module.exports = [
  {
    id: 'phone',
    zh: '设备信息',
    en: 'this device',
    run: () => describePromises().then((promises) => `${describePhone()} · ${promises}`),
  },
  {
    id: 'worker',
    zh: 'Worker 已启动，没有回退到逻辑层线程',
    en: 'the worker runs, and the app has not fallen back to its own thread',
    run: () =>
      session.explain().then((history) => {
        const { mode } = session.getSnapshot()
        return expect(mode === 'wechat', `mode ${mode}, ${history.length} entries of history`)
      }),
  },
  {
    id: 'wx-login',
    zh: '微信登录（wx.login）',
    en: 'signs in with a code of wx.login',
    run: () => {
      const startedAt = Date.now()
      return session.signIn({ via: 'wx.login' }).then(() => {
        const { status } = session.getSnapshot()
        return expect(status === 'signed-in', `${status} after ${Date.now() - startedAt} ms`)
      })
    },
  },
  {
    id: 'sign-in',
    zh: '密码登录',
    en: 'signs in with a password',
    run: () =>
      session.signIn({ account: 'alice', password: 'lingpai' }).then(() => {
        const { status, user } = session.getSnapshot()
        return expect(status === 'signed-in', `${status}, ${user.subject}`)
      }),
  },
  {
    id: 'storage',
    zh: '存储中没有明文令牌',
    en: 'the storage contains no readable token',
    run: () =>
      readPlainly().then((text) => {
        const names = wx.getStorageInfoSync().keys.filter((key) => key.indexOf('lingpai.') === 0)
        const isPlain = text.indexOf('refreshToken') >= 0 || names.indexOf('lingpai.session.plain') >= 0
        return expect(!isPlain, isPlain ? 'kept in the clear (base library before 2.21.3)' : names.join(' '))
      }),
  },
  {
    id: 'storage-speed',
    zh: '加密存储的读写耗时（每次不超过 1 秒）',
    en: 'encrypted storage is fast enough (each operation within a second)',
    run: () => measureStorage().then(({ isKept, slowest, note }) => expect(isKept && slowest <= 1000, note)),
  },
  {
    id: 'eleventh',
    zh: '已有十个任务时，第十一个任务的行为',
    en: 'ten tasks at once, and the behaviour of the eleventh',
    run: () => fireEleven().then(({ answered, note }) => expect(answered >= 10, note)),
  },
  {
    id: 'six',
    zh: '六个请求只刷新一次',
    en: 'six calls with an expired token lead to one refresh',
    run: () =>
      fireSix().then((result) => {
        const { answered, refreshes, reuses } = result
        return expect(answered === 6 && refreshes === 1 && reuses === 0, describeSix(result))
      }),
  },
  {
    id: 'upload',
    zh: '上传文件并显示进度',
    en: 'uploads a file and reports its progress',
    run: () => {
      const filePath = `${wx.env.USER_DATA_PATH}/checklist.txt`
      const seen = []
      return writeFile(filePath, new Array(200001).join('0'))
        .then(() =>
          session.uploadFile({
            url: `${origin}/upload`,
            filePath,
            name: 'file',
            onProgress: ({ progress }) => seen.push(progress),
          }),
        )
        .then(({ size }) => expect(size === 200000 && seen.length > 0, `${size} B, progress ${seen.join(' ')}`))
    },
  },
  {
    id: 'download',
    zh: '下载文件并显示进度',
    en: 'downloads a file and reports its progress',
    run: () => {
      const seen = []
      return session
        .downloadFile({ url: SAMPLE, onProgress: ({ progress }) => seen.push(progress) })
        .then(({ statusCode }) => expect(statusCode === 200 && seen.length > 0, `progress ${seen.join(' ')}`))
    },
  },
  {
    id: 'abort',
    zh: '取消进行中的下载',
    en: 'a download is aborted half-way',
    run: () => {
      const controller = new AbortController()
      const download = session.downloadFile({
        url: SAMPLE,
        onProgress: () => controller.abort(),
        signal: controller.signal,
      })
      return rejectionOf(download).then(({ code }) => expect(code === 'aborted', String(code)))
    },
  },
  {
    id: 'redirect',
    zh: '带令牌的请求不跟随重定向（基础库 3.2.2 及以上）',
    en: 'a call with a token does not follow a redirect (base library 3.2.2 and later)',
    run: () => {
      const data = { to: `${origin}/elsewhere`, status: 307 }
      const call = session.request({ url: `${origin}/redirect`, method: 'POST', data })
      return rejectionOf(call).then(({ code }) => expect(code === 'redirect_refused', String(code)))
    },
  },
  {
    id: 'timer',
    zh: '1 秒定时器的延迟',
    en: 'how late a timer of one second is',
    run: () =>
      new Promise((resolve) => {
        const startedAt = Date.now()
        setTimeout(() => resolve(`${Date.now() - startedAt - 1000} ms late`), 1000)
      }),
  },
]
