const { session } = getApp()

Page({
  submit({ detail }) {
    return session.signIn(detail.value).then(
      () => wx.reLaunch({ url: '/pages/home/home' }),
      (error) => wx.showToast({ title: error.apiMessage || '网络不给力，请重试', icon: 'none' }),
    )
  },
})
