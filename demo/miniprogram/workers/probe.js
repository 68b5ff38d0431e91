// Reports what a worker of this phone receives and can do. Only the checklist starts it, instead of token.js.

// WeChat's samples and its documents differ: a message arrives bare, or as {message}.
function listenAs(listener) {
  worker.onMessage((given) => {
    const form = given.ask === undefined ? 'wrapped' : 'bare'
    const { ask, data } = form === 'wrapped' ? given.message : given
    if (ask === 'listen again') listenAs(listener + 1)
    if (ask === 'fail') throw new Error('planted by the checklist')
    if (ask === 'end' && worker.testOnProcessKilled) worker.testOnProcessKilled()
    else worker.postMessage({ answer: ask, listener, form, data: data === undefined ? null : data })
  })
}

listenAs(1)
