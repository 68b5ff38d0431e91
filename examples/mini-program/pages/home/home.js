const { session } = getApp()

Page({
  data: { items: [] },
  onShow() {
    return session.request({ url: 'https://api.example.com/list', method: 'POST', data: {} }).then(
      (list) => this.setData(list),
      // Who must sign in is on the way to the sign-in page already.
      (error) => error.code === 'sign_in_required' || wx.showToast({ title: '网络不给力，请重试', icon: 'none' }),
    )
  },
})
