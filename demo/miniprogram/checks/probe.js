const { session } = getApp()

// A phone needs a moment to start a worker.
const MAX_START = 5000
const MAX_ANSWER = 2000

// A mini program can have one worker at a time, and lingpai has it. So this closes the session, and the app must restart.
function startProbe(options) {
  session.close()
  const worker = wx.createWorker('workers/probe.js', options || {})
  const answers = []
  const reports = []
  let listeners = 0

  function listenAgain() {
    listeners += 1
    const listener = listeners
    worker.onMessage((given) => {
      const form = given.answer === undefined ? 'wrapped' : 'bare'
      answers.push({ listener, form, content: form === 'wrapped' ? given.message : given })
    })
  }

  function answersTo(ask) {
    return answers.filter(({ content }) => content.answer === ask)
  }

  listenAgain()
  if (worker.onError) worker.onError((error) => reports.push({ event: 'onError', text: JSON.stringify(error) }))
  if (worker.onProcessKilled) worker.onProcessKilled(() => reports.push({ event: 'onProcessKilled', text: '' }))
  return {
    answersTo,
    listenAgain,
    hasEvent: (event) => typeof worker[event] === 'function',
    reportOf: (event) => reports.filter((report) => report.event === event)[0],
    post: (ask, data) => worker.postMessage(data === undefined ? { ask } : { ask, data }),
    // Whether the worker answers this question, which must not have been asked before.
    answers(ask, data) {
      this.post(ask, data)
      return until(() => answersTo(ask).length > 0, MAX_START)
    },
    end() {
      try {
        worker.terminate()
      } catch (_error) {
        // The system may have ended it already.
      }
    },
  }
}

function until(condition, timeout) {
  const begunAt = Date.now()
  return new Promise((resolve) => {
    const check = () => {
      if (condition()) resolve(true)
      else if (Date.now() - begunAt >= timeout) resolve(false)
      else setTimeout(check, 50)
    }
    check()
  })
}

function wait(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}

function withProbe(options, run) {
  const probe = startProbe(options)
  return run(probe).then(
    (result) => {
      probe.end()
      return result
    },
    (error) => {
      probe.end()
      throw error
    },
  )
}

const SILENT = { passed: false, note: 'the worker does not answer' }

function describeSecond(listeners) {
  const received = listeners.filter((listener, index) => listeners.indexOf(listener) === index).sort()
  return (
    { 1: 'is not called', 2: 'replaces the first', '1,2': 'is called as well' }[received.join()] ||
    'no listener is called'
  )
}

// The form in which messages arrive, whether they arrive unchanged, and the effect of a second onMessage, on both sides.
exports.probeMessages = () =>
  withProbe({}, (probe) => {
    const data = { text: '令牌 🔑', long: new Array(100001).join('0'), list: [1.5, null, { isDeep: true }] }
    return probe.answers('echo', data).then((isAlive) => {
      if (!isAlive) return SILENT
      const { form, content } = probe.answersTo('echo')[0]
      const isWhole = JSON.stringify(content.data) === JSON.stringify(data)
      probe.listenAgain()
      return probe
        .answers('listen again')
        .then(() => probe.answers('which listeners'))
        .then(() => wait(500))
        .then(() => {
          const received = probe.answersTo('which listeners')
          const inWorker = describeSecond(received.map(({ content }) => content.listener))
          const inApp = describeSecond(received.map(({ listener }) => listener))
          const forms = `to the worker: ${content.form}, to the app: ${form}`
          const second = `a second onMessage in the worker ${inWorker}, in the app ${inApp}`
          return { passed: isWhole, note: `${forms} · ${isWhole ? 'whole' : 'CHANGED ON THE WAY'} · ${second}` }
        })
    })
  })

// After an error, the worker must cause onError, or continue.
exports.probeError = () =>
  withProbe({}, (probe) =>
    probe.answers('echo').then((isAlive) => {
      if (!isAlive) return SILENT
      probe.post('fail')
      return until(() => probe.reportOf('onError'), MAX_ANSWER).then((hasReport) =>
        probe.answers('and now').then((goesOn) => {
          const silent = probe.hasEvent('onError') ? 'onError did not run' : 'there is no onError'
          const report = hasReport ? `onError: ${probe.reportOf('onError').text}` : silent
          return {
            passed: hasReport || goesOn,
            note: `${report} · the worker ${goesOn ? 'continues' : 'does not answer'}`,
          }
        }),
      )
    }),
  )

// If the system ends an experimental worker, onProcessKilled must run, and another worker must start at once.
exports.probeEnd = () =>
  withProbe({ useExperimentalWorker: true }, (probe) => {
    const startedAt = Date.now()
    return probe.answers('echo').then((isAlive) => {
      if (!isAlive) return SILENT
      const started = `started in ${Date.now() - startedAt} ms`
      probe.post('end')
      const isOver = () => probe.reportOf('onProcessKilled') || probe.answersTo('end').length > 0
      return until(isOver, MAX_ANSWER).then(() => {
        if (probe.reportOf('onProcessKilled')) return startNext(started)
        return probe.answers('and now').then((goesOn) => {
          if (!goesOn)
            return { passed: false, note: `${started} · it does not answer, and onProcessKilled did not run` }
          const why = probe.answersTo('end').length > 0 ? 'there is no testOnProcessKilled' : 'nothing has ended it'
          return { note: `${started} · not tried: ${why}` }
        })
      })
    })
  })

function startNext(started) {
  return withProbe({ useExperimentalWorker: true }, (next) =>
    next.answers('echo').then((isAlive) => ({
      passed: isAlive,
      note: `${started} · onProcessKilled ran · the next worker ${isAlive ? 'answers' : 'does not answer'}`,
    })),
  )
}
