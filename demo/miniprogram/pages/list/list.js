const { describeError } = require('../../describe-error.js')
const { pressButton } = require('../../demo-server.js')
const { origin } = require('../../server.js')
const { session } = getApp()

Page({
  data: { user: null, mode: '', rows: [], counters: null, problem: null },

  onLoad() {
    this.stopWatching = session.subscribe(() => this.showSession())
    this.showSession()
    this.fireSixCalls()
  },

  onUnload() {
    this.stopWatching()
  },

  showSession() {
    const { user, mode } = session.getSnapshot()
    this.setData({ mode, user: user || null })
  },

  // Sends six calls at once. If the token has expired, there is one refresh for all of them.
  fireSixCalls() {
    const rows = [1, 2, 3, 4, 5, 6].map((number) => ({ number, state: '等待 waiting', kind: '', note: '' }))
    this.setData({ rows })
    return Promise.all(rows.map((row, index) => this.call(row.number, index))).then(() => this.showCounters())
  },

  call(number, index) {
    const startedAt = Date.now()
    return session.request({ url: `${origin}/list`, method: 'POST', data: { number } }).then(
      ({ items }) => this.showRow(index, '成功 done', 'good', `${items.join('、')} · ${Date.now() - startedAt} ms`),
      (error) => {
        const { words, code } = describeError(error)
        this.showRow(index, words, 'bad', code)
      },
    )
  },

  showRow(index, state, kind, note) {
    this.setData({
      [`rows[${index}].state`]: state,
      [`rows[${index}].kind`]: kind,
      [`rows[${index}].note`]: note,
    })
  },

  showCounters() {
    return this.attempt(pressButton('counters').then((counters) => this.setData({ counters })))
  },

  expireAndFire() {
    return this.attempt(pressButton('expire-access-tokens').then(() => this.fireSixCalls()))
  },

  // The server rejects the next refresh: six calls fail, and the user sees one toast and one sign-in page.
  revokeAndFire() {
    return this.attempt(pressButton('revoke').then(() => this.fireSixCalls()))
  },

  signOut() {
    return this.attempt(session.signOut().then(() => wx.reLaunch({ url: '/pages/login/login' })))
  },

  attempt(work) {
    this.setData({ problem: null })
    return work.catch((error) => this.setData({ problem: describeError(error) }))
  },

  openUpload() {
    wx.navigateTo({ url: '/pages/upload/upload' })
  },

  openChecklist() {
    wx.navigateTo({ url: '/pages/checklist/checklist' })
  },
})
