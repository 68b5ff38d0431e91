const words = {
  sign_in_required: '请先登录',
  sign_in_failed: '登录没有成功',
  sign_in_cancelled: '登录已取消',
  api_error: '服务器拒绝了这个请求',
  network_error: '网络不通，或服务器没有启动',
  timeout: '服务器没有及时回答',
  aborted: '已取消',
  refresh_unavailable: '暂时无法续期，稍后再试',
  redirect_refused: '服务器让请求转向，令牌没有跟去',
  origin_not_allowed: '这个地址不在名单里，令牌不会发给它',
  worker_lost: '后台线程已结束',
  store_failed: '手机存储出错',
  invalid_config: '配置有误',
}

// What a page shows of an error: words for the user, code and message for who reads the screenshot.
exports.describeError = (error) => ({
  words: words[error.code] || '出错了',
  code: error.code || error.name,
  message: error.message,
})
