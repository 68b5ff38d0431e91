const words = {
  sign_in_required: '请先登录',
  sign_in_failed: '登录没有成功',
  sign_in_cancelled: '登录已取消',
  api_error: '服务器拒绝了这个请求',
  network_error: '网络不通，或服务器没有启动',
  timeout: '服务器响应超时',
  aborted: '已取消',
  refresh_unavailable: '暂时无法续期，请稍后再试',
  redirect_refused: '服务器要求重定向，已拒绝跟随',
  origin_not_allowed: '地址不在允许名单里，没有发送令牌',
  worker_lost: 'Worker 已中断',
  store_failed: '本地存储出错',
  invalid_config: '配置有误',
}

// What a page shows of an error: words for the user, code and message for who reads the screenshot.
exports.describeError = (error) => ({
  words: words[error.code] || '出错了',
  code: error.code || error.name,
  message: error.message,
})
