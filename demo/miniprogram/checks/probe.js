const { session } = getApp()

// A phone needs a moment to start a worker.
const LONGEST_START = 5000
const LONGEST_ANSWER = 2000

// There may be one worker at a time, and lingpai has it. So its session ends here, and the app has to be opened anew.
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
    tells: (event) => typeof worker[event] === 'function',
    reportOf: (event) => reports.filter((report) => report.event === event)[0],
    post: (ask, data) => worker.postMessage(data === undefined ? { ask } : { ask, data }),
    // Whether it answers this question, which must be a new one.
    answers(ask, data) {
      this.post(ask, data)
      return until(() => answersTo(ask).length > 0, LONGEST_START)
    },
    end() {
      try {
        worker.terminate()
      } catch (_error) {
        // One that the system has ended cannot be ended again.
      }
    },
  }
}

function until(condition, longest) {
  const begunAt = Date.now()
  return new Promise((resolve) => {
    const look = () => {
      if (condition()) resolve(true)
      else if (Date.now() - begunAt >= longest) resolve(false)
      else setTimeout(look, 50)
    }
    look()
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
  const heard = listeners.filter((listener, index) => listeners.indexOf(listener) === index).sort()
  return { 1: 'is not called', 2: 'replaces the first', '1,2': 'is called as well' }[heard.join()] || 'nobody is called'
}

// The form in which messages come, whether they come whole, and what a second onMessage does, on either side.
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
        .then(() => probe.answers('who hears this'))
        .then(() => wait(500))
        .then(() => {
          const heard = probe.answersTo('who hears this')
          const inWorker = describeSecond(heard.map(({ content }) => content.listener))
          const inApp = describeSecond(heard.map(({ listener }) => listener))
          const forms = `to the worker: ${content.form}, to the app: ${form}`
          const second = `a second onMessage in the worker ${inWorker}, in the app ${inApp}`
          return { passed: isWhole, note: `${forms} · ${isWhole ? 'whole' : 'CHANGED ON THE WAY'} · ${second}` }
        })
    })
  })

// A worker that has failed must say so, or go on.
exports.probeError = () =>
  withProbe({}, (probe) =>
    probe.answers('echo').then((isAlive) => {
      if (!isAlive) return SILENT
      probe.post('fail')
      return until(() => probe.reportOf('onError'), LONGEST_ANSWER).then((isTold) =>
        probe.answers('and now').then((goesOn) => {
          const silent = probe.tells('onError') ? 'onError says nothing' : 'there is no onError'
          const told = isTold ? `onError says ${probe.reportOf('onError').text}` : silent
          return { passed: isTold || goesOn, note: `${told} · the worker ${goesOn ? 'goes on' : 'is silent'}` }
        }),
      )
    }),
  )

// An experimental worker that the system has taken back must be told of, and a next one must start at once.
exports.probeEnd = () =>
  withProbe({ useExperimentalWorker: true }, (probe) => {
    const startedAt = Date.now()
    return probe.answers('echo').then((isAlive) => {
      if (!isAlive) return SILENT
      const started = `started in ${Date.now() - startedAt} ms`
      probe.post('end')
      const isOver = () => probe.reportOf('onProcessKilled') || probe.answersTo('end').length > 0
      return until(isOver, LONGEST_ANSWER).then(() => {
        if (probe.reportOf('onProcessKilled')) return startNext(started)
        return probe.answers('and now').then((goesOn) => {
          if (!goesOn) return { passed: false, note: `${started} · it is silent, and onProcessKilled says nothing` }
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
      note: `${started} · onProcessKilled was told · the next worker ${isAlive ? 'answers' : 'does not answer'}`,
    })),
  )
}
