const { describeError } = require('../../describe-error.js')
const { session } = getApp()

Page({
  data: { status: 'connecting', account: 'alice', password: '', isBusy: false, problem: null },

  onLoad() {
    this.stopWatching = session.subscribe(() => this.showStatus())
    this.showStatus()
  },

  onUnload() {
    this.stopWatching()
  },

  // Opens the list if the user is signed in. If an API has asked for a sign-in, for example with a 403, the list would only
  // lead back here.
  showStatus() {
    const { status, reason } = session.getSnapshot()
    const shown = reason === 'sign_in_required' ? `${status} (${reason})` : status
    if (shown === this.data.status) return
    this.setData({ status: shown })
    if (shown === 'signed-in') wx.reLaunch({ url: '/pages/list/list' })
  },

  typeAccount(event) {
    this.setData({ account: event.detail.value })
  },

  typePassword(event) {
    this.setData({ password: event.detail.value })
  },

  signInWithPassword() {
    const { account, password } = this.data
    return this.signIn({ account, password })
  },

  // The worker gets the code from wx.login; this page never sees it.
  signInWithWechat() {
    return this.signIn({ via: 'wx.login' })
  },

  signIn(input) {
    this.setData({ isBusy: true, problem: null })
    return session.signIn(input).then(
      () => this.setData({ isBusy: false, password: '' }),
      (error) => this.setData({ isBusy: false, problem: describeError(error) }),
    )
  },
})
