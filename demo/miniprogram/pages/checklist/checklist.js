const automatic = require('../../checks/automatic.js')
const manual = require('../../checks/manual.js')
const { describeError } = require('../../describe-error.js')

const KEY = 'checklist'
const MARKS = { passed: '✓', failed: '✗', waiting: '…', running: '…', skipped: '–' }

function createRow(check, kept) {
  const { id, zh, en, todo, todoEn, asksPerson } = check
  const { state, note, begunAt } = kept[id] || {}
  return {
    id,
    zh,
    en,
    todo: todo || '',
    todoEn: todoEn || '',
    asksPerson: asksPerson === true,
    state: state || '',
    note: note || '',
    begunAt: begunAt || 0,
    mark: MARKS[state] || '–',
  }
}

function stateOf({ passed }) {
  if (passed === undefined) return 'skipped'
  return passed ? 'passed' : 'failed'
}

Page({
  data: { automatic: [], manual: [], isRunning: false, isOver: false },

  onLoad() {
    const kept = wx.getStorageSync(KEY) || {}
    this.setData({
      automatic: automatic.map((check) => createRow(check, kept)),
      manual: manual.map((check) => createRow(check, kept)),
    })
    this.data.manual.forEach((row, index) => {
      this.resume(row, index)
    })
  },

  // One after the other, because they count the requests at the server.
  runAutomatic() {
    this.setData({ isRunning: true })
    const run = (check, index) => {
      this.show('automatic', index, 'running', '')
      return check.run().then(
        (note) => this.show('automatic', index, 'passed', note),
        (error) => this.showFailure('automatic', index, error),
      )
    }
    return automatic
      .reduce((before, check, index) => before.then(() => run(check, index)), Promise.resolve())
      .then(() => this.setData({ isRunning: false }))
  },

  begin(event) {
    const { index } = event.currentTarget.dataset
    this.setData({ [`manual[${index}].begunAt`]: Date.now() })
    this.show('manual', index, 'waiting', '')
    const { begin, takesWorker } = manual[index]
    return Promise.resolve()
      .then(begin)
      .then(
        (result) => this.show('manual', index, stateOf(result), result.note),
        (error) => this.showFailure('manual', index, error),
      )
      .then(() => takesWorker && this.restart())
  },

  // The check has closed the session. With a base library before 3.0.1, the user must restart the app.
  restart() {
    const askPerson = () => this.setData({ isOver: true })
    if (wx.restartMiniProgram) wx.restartMiniProgram({ path: '/pages/checklist/checklist', fail: askPerson })
    else askPerson()
  },

  // Continues a check that started before the app was ended, or before the user left this page.
  resume(row, index) {
    const { resume } = manual[index]
    if (row.state !== 'waiting' || !resume) return
    resume(row.begunAt).then((result) => {
      if (result) this.show('manual', index, stateOf(result), result.note)
    })
  },

  judge(event) {
    const { index, state } = event.currentTarget.dataset
    this.show('manual', index, state, '')
  },

  showFailure(list, index, error) {
    const { words, code, message } = describeError(error)
    this.show(list, index, 'failed', error.code ? `${words}（${code}）${message}` : message)
  },

  show(list, index, state, note) {
    const row = `${list}[${index}]`
    this.setData({ [`${row}.state`]: state, [`${row}.note`]: note, [`${row}.mark`]: MARKS[state] })
    const kept = {}
    this.data.automatic.concat(this.data.manual).forEach(({ id, state, note, begunAt }) => {
      kept[id] = { state, note, begunAt }
    })
    wx.setStorageSync(KEY, kept)
  },

  copy() {
    const rows = this.data.automatic.concat(this.data.manual)
    wx.setClipboardData({ data: rows.map(({ mark, id, zh, note }) => `${mark} ${id} ${zh} ${note}`).join('\n') })
  },

  clear() {
    wx.removeStorageSync(KEY)
    this.onLoad()
  },
})
