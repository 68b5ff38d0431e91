// Tells what a worker of this phone hears and can do. For the checklist alone, which starts it in place of the usual one.

// What is posted arrives as it is or as {message}, by samples or by documents.
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
