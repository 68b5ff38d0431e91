const { AbortController } = require('lingpai/wechat')
const { describeError } = require('../../describe-error.js')
const { origin } = require('../../server.js')
const { session } = getApp()

Page({
  data: { files: [], isRunning: false, action: '', progress: 0, preview: '', problem: null },

  onLoad() {
    this.listFiles()
  },

  onUnload() {
    this.abort()
  },

  listFiles() {
    return session.request({ url: `${origin}/files`, method: 'POST', data: {} }).then(
      (files) => this.setData({ files }),
      (error) => this.setData({ problem: describeError(error) }),
    )
  },

  chooseImage() {
    wx.chooseMedia({
      count: 1,
      mediaType: ['image'],
      sizeType: ['compressed'],
      success: ({ tempFiles }) => this.upload(tempFiles[0].tempFilePath),
      fail: ({ errMsg }) => this.showRefusal(errMsg),
    })
  },

  // WeChat itself refuses if the user gave no permission, or if the app's privacy notice does not name the album.
  showRefusal(errMsg) {
    if (/fail cancel/.test(errMsg)) return
    const words = '无法打开相册，请检查相册权限和隐私保护指引'
    this.setData({ problem: { words, code: 'chooseMedia', message: errMsg } })
  },

  upload(filePath) {
    return this.run('上传 upload', (onProgress, signal) =>
      session.uploadFile({ url: `${origin}/upload`, filePath, name: 'file', onProgress, signal }),
    ).then(() => this.listFiles())
  },

  download(event) {
    const { id } = event.currentTarget.dataset
    const url = `${origin}/download?id=${id}`
    return this.run('下载 download', (onProgress, signal) => session.downloadFile({ url, onProgress, signal })).then(
      (file) => file && this.setData({ preview: file.tempFilePath }),
    )
  },

  run(action, start) {
    this.controller = new AbortController()
    this.setData({ action, isRunning: true, progress: 0, problem: null })
    return start(({ progress }) => this.setData({ progress }), this.controller.signal).then(
      (result) => {
        this.setData({ isRunning: false })
        return result
      },
      (error) => this.setData({ isRunning: false, problem: describeError(error) }),
    )
  },

  abort() {
    if (this.controller) this.controller.abort()
  },

  openPreview() {
    wx.previewImage({ urls: [this.data.preview] })
  },
})
