const words = {
  sign_in_required: '请先登录',
  sign_in_failed: '登录失败',
  sign_in_cancelled: '登录已取消',
  api_error: '服务器返回错误',
  network_error: '网络异常，或服务器未启动',
  timeout: '服务器响应超时',
  aborted: '已取消',
  refresh_unavailable: '登录状态暂时无法更新，请稍后再试',
  redirect_refused: '服务器返回重定向，已拒绝跟随',
  origin_not_allowed: '地址不在允许列表中，未发送令牌',
  worker_lost: 'Worker 异常终止',
  store_failed: '本地存储出错',
  invalid_config: '配置有误',
}

// What a page shows of an error: a text for the user, and the code and message for a developer who gets a screenshot.
exports.describeError = (error) => ({
  words: words[error.code] || '出错了',
  code: error.code || error.name,
  message: error.message,
})
