import { describe, expect, onTestFinished, test } from 'vitest'
import type { PhoneOptions } from '../fixtures/wechat/phone.ts'
import { ECHO, engines, events, post, received, startSample } from '../fixtures/wechat/sample-app.ts'

const WORKER_NAMES = ['clearInterval', 'clearTimeout', 'console', 'setInterval', 'setTimeout', 'worker']

const LIST_GLOBALS = `worker.postMessage(Object.getOwnPropertyNames(new Function('return this')()).filter(function (name) {
  return !/^[A-Z]/.test(name) && !/^(decode|encode)URI/.test(name)
}).sort())`

describe.each(engines)('a worker in %s', (engine) => {
  async function start(script: string, options: Partial<PhoneOptions> = {}) {
    const phone = await startSample({ engine, ...options }, script)
    onTestFinished(() => phone.close())
    return phone
  }

  test('gets copies of messages and posts copies', async () => {
    const phone = await start(ECHO)
    await post(phone, `{ text: '中文', list: [1, null, true] }`)
    expect(await received(phone)).toEqual([{ echo: { text: '中文', list: [1, null, true] } }])
  })

  test('gets messages in their state at the time of posting', async () => {
    const phone = await start(ECHO)
    await phone.evaluate(`(function () {
      var message = { value: 1 }
      getApp().worker.postMessage(message)
      message.value = 2
    })()`)
    await phone.settle()
    expect(await received(phone)).toEqual([{ echo: { value: 1 } }])
  })

  test('has only the global names of the platform and the language', async () => {
    const phone = await start(LIST_GLOBALS)
    const [names] = (await received(phone)) as string[][]
    const language = [
      'escape',
      'eval',
      'globalThis',
      'isFinite',
      'isNaN',
      'parseFloat',
      'parseInt',
      'undefined',
      'unescape',
    ]
    expect([...WORKER_NAMES, ...language]).toEqual(expect.arrayContaining(names ?? []))
  })

  test('lacks the APIs of browsers and newer engines', async () => {
    const phone =
      await start(`worker.postMessage([typeof wx, typeof URL, typeof TextEncoder, typeof crypto, typeof fetch,
      typeof structuredClone, typeof MessageChannel, typeof queueMicrotask, typeof performance, typeof WebAssembly,
      typeof SharedArrayBuffer, typeof Iterator, typeof self, typeof process, typeof print, typeof readline, typeof atob, typeof load])`)
    const [types] = (await received(phone)) as string[][]
    expect(new Set(types)).toEqual(new Set(['undefined']))
  })

  test('has the names of the platform', async () => {
    const phone = await start(`worker.postMessage([typeof worker, typeof console, typeof setTimeout, typeof setInterval,
      typeof clearTimeout, typeof clearInterval])`)
    expect(await received(phone)).toEqual([['object', 'object', 'function', 'function', 'function', 'function']])
  })

  test('has require, module and exports', async () => {
    const phone = await start(
      'worker.postMessage([typeof require, typeof module, typeof exports, module.exports === exports])',
    )
    expect(await received(phone)).toEqual([['function', 'object', 'object', true]])
  })

  test('of base library 2.20.2 has only the APIs of iOS 11 and Chrome 66', async () => {
    const phone = await start(
      `worker.postMessage([typeof Object.hasOwn, typeof Object.fromEntries, typeof Array.prototype.at, typeof [].flat,
        typeof [].flatMap, typeof [].findLast, typeof ''.replaceAll, typeof ''.matchAll, typeof ''.at, typeof ''.trimEnd,
        typeof Promise.allSettled, typeof Promise.any, typeof Promise.withResolvers, typeof Promise.prototype.finally,
        typeof globalThis, typeof WeakRef, typeof FinalizationRegistry, typeof BigInt, typeof AggregateError,
        typeof Symbol().description, typeof new Set().union, typeof [].keys().map, typeof new Uint8Array(1).at,
        typeof new ArrayBuffer(1).resize, typeof Object.groupBy, typeof Error.captureStackTrace])
      worker.postMessage([typeof Object.entries, typeof Proxy, typeof Promise.all, typeof [].includes, typeof ''.padStart,
        typeof new Map().forEach, typeof new DataView(new ArrayBuffer(8)).getUint32, typeof Math.imul,
        typeof new Uint8Array(1).subarray, typeof Date.now, typeof new Date().toISOString, typeof [].keys().next,
        typeof /x/.test, typeof Reflect.ownKeys])`,
      { baseLibrary: '2.20.2' },
    )
    const [absent, present] = (await received(phone)) as string[][]
    expect(new Set(absent)).toEqual(new Set(['undefined']))
    expect(new Set(present)).toEqual(new Set(['function']))
  })

  test('of base library 2.20.2 still runs regular expressions, spread and loops', async () => {
    const phone = await start(
      `var words = 'b a'.replace(/b/g, function (found) { return found + '!' }).split(' ')
      var copy = [...words, ...new Set([1, 1])]
      for (const [key, value] of new Map([['k', 1]])) copy.push(key, value)
      worker.postMessage(copy)`,
      { baseLibrary: '2.20.2' },
    )
    expect(await received(phone)).toEqual([['b!', 'a', 1, 'k', 1]])
  })

  test('cannot create code from strings, but returns the global object', async () => {
    const phone = await start(`
      function attempt(run) { try { run(); return 'ran' } catch (error) { return error.name } }
      worker.postMessage([
        attempt(function () { eval('1') }),
        attempt(function () { (0, eval)('1') }),
        attempt(function () { new Function('return 1') }),
        attempt(function () { Function('a', 'return this') }),
        attempt(function () { attempt.constructor('return 1') }),
        attempt(function () { (function* () {}).constructor('yield 1') }),
        attempt(function () { (async function () {}).constructor('return 1') }),
        attempt(function () { setTimeout('1') }),
        typeof new Function('return this')().setTimeout,
        attempt instanceof Function
      ])`)
    const refused = Array.from({ length: 7 }, () => 'EvalError')
    expect(await received(phone)).toEqual([[...refused, 'TypeError', 'function', true]])
  })

  test('sees virtual time, and timers in order with microtasks between them', async () => {
    const phone = await start(`
      var begin = Date.now()
      function note(text) { worker.postMessage([text, Date.now() - begin, new Date().getTime() - begin]) }
      setTimeout(function () { note('late') }, 200)
      setTimeout(function (name) { note(name); Promise.resolve().then(function () { note('micro') }) }, 100, 'early')
      setTimeout(function () { note('same time, second') }, 100)
      clearTimeout(setTimeout(function () { note('never') }, 50))`)
    await phone.advance(99)
    expect(await received(phone)).toEqual([])
    await phone.advance(1000)
    expect(await received(phone)).toEqual([
      ['early', 100, 100],
      ['micro', 100, 100],
      ['same time, second', 100, 100],
      ['late', 200, 200],
    ])
  })

  test('runs intervals until they are cleared', async () => {
    const phone = await start(`var count = 0
      var timer = setInterval(function () { worker.postMessage(count += 1); if (count === 3) clearInterval(timer) }, 10)`)
    await phone.advance(1000)
    expect(await received(phone)).toEqual([1, 2, 3])
  })

  test('has a Date that behaves like Date', async () => {
    const phone = await start(`class Day extends Date {}
      worker.postMessage([new Date(0).toISOString(), new Date(2020, 1, 2).getFullYear(), new Date() instanceof Date,
        typeof Date(), new Day(5).getTime(), Date.UTC(1970, 0), new Date().constructor === Date])`)
    expect(await received(phone)).toEqual([['1970-01-01T00:00:00.000Z', 2020, true, 'string', 5, 0, true]])
  })

  test.each([
    ['undefined inside an object', '{ value: undefined }', 'message.value is undefined'],
    ['undefined inside a list', '[[undefined]]', 'message[0][0] is undefined'],
    ['nothing at all', '', 'message is undefined'],
    ['a date', '{ at: new Date() }', 'message.at is a Date'],
    ['an error', '{ reason: new TypeError("no") }', 'message.reason is a TypeError'],
    ['a function', '{ call: function () {} }', 'message.call is a function'],
    ['not a number', '{ value: NaN }', 'message.value is NaN'],
    ['bytes', '{ bytes: new Uint8Array(1) }', 'message.bytes is a Uint8Array'],
    ['a buffer', 'new ArrayBuffer(1)', 'message is a ArrayBuffer'],
    ['a big integer', '{ value: BigInt(1) }', 'message.value is a bigint'],
    ['an instance of a class', 'new (class Token {})()', 'message is a Token'],
    ['a map', '{ map: new Map() }', 'message.map is a Map'],
    ['a symbol as a key', '{ [Symbol.iterator]: 1 }', 'message has a symbol as a key'],
    ['a cycle', '(function () { var a = {}; a.self = a; return a })()', 'message.self is a cycle'],
  ])('cannot post %s', async (_name, value, problem) => {
    const script = `try { worker.postMessage(${value}) } catch (error) { worker.postMessage(error.name) }`
    const phone = await startSample({ engine, allowViolations: true }, script)
    onTestFinished(() => phone.close())
    expect(phone.violations).toEqual([{ thread: 'worker', problem }])
    expect(await received(phone)).toEqual(['TypeError'])
  })

  test('may post the same object twice in one message', async () => {
    const phone = await start('var same = { a: 1 }; worker.postMessage([same, same])')
    expect(await received(phone)).toEqual([[{ a: 1 }, { a: 1 }]])
  })

  test('can require only files of its folder, by relative path, and each runs once', async () => {
    const script = `
      function attempt(name) { try { return require(name) } catch (error) { return error.message } }
      worker.postMessage([attempt('./lib/count.js'), attempt('./lib/count'), attempt('./lib'), attempt('../app.js'),
        attempt('lib/count'), attempt('./none')])`
    const phone = await start(script, {
      files: {
        'workers/lib/count.js': 'exports.loaded = (exports.loaded || 0) + 1',
        'workers/lib/index.js': `module.exports = require('./count').loaded + 10`,
      },
    })
    const [result] = (await received(phone)) as unknown[][]
    expect(result?.slice(0, 3)).toEqual([{ loaded: 1 }, { loaded: 1 }, 11])
    expect(result?.[3]).toBe(`module 'app.js.js' is not defined, require args is '../app.js'`)
    expect(result?.[4]).toBe(`module 'workers/lib/count.js' is not defined, require args is 'lib/count'`)
    expect(result?.[5]).toBe(`module 'workers/none.js' is not defined, require args is './none'`)
  })

  test('reports an exception to the app, and goes on', async () => {
    const phone = await start(`worker.onMessage(function (message) {
      if (message.fail) throw new RangeError('went wrong')
      worker.postMessage('still here')
    })`)
    await post(phone, '{ fail: true }')
    await post(phone, '{}')
    expect(await events(phone)).toEqual(['error: went wrong'])
    expect(phone.errors).toEqual([
      expect.objectContaining({ thread: 'worker', name: 'RangeError', message: 'went wrong' }),
    ])
    expect(await received(phone)).toEqual(['still here'])
  })

  test('writes to the console', async () => {
    const phone = await start(`console.warn('careful', { a: 1 }, new Error('no'))`)
    expect(phone.console).toEqual([{ thread: 'worker', level: 'warn', text: 'careful {"a":1} Error: no' }])
  })

  test.each([
    ['replaces the first', 'replace', ['second']],
    ['adds to the first', 'add', ['first', 'second']],
  ] as const)('registers a second listener that %s', async (_name, listeners, expected) => {
    const script = `worker.onMessage(function () { worker.postMessage('first') })
      worker.onMessage(function () { worker.postMessage('second') })`
    const phone = await start(script, { listeners })
    await post(phone, '{}')
    expect(await received(phone)).toEqual(expected)
  })

  test('gets wrapped messages from a platform that wraps', async () => {
    const phone = await start(ECHO, { delivery: 'wrapped' })
    await post(phone, '{ a: 1 }')
    expect(await received(phone)).toEqual([{ message: { echo: { message: { a: 1 } } } }])
  })

  test('runs async functions to their end before time passes', async () => {
    const phone = await start(`(async function () {
      for (let step = 0; step < 50; step += 1) await null
      worker.postMessage('done')
    })()`)
    expect(await received(phone)).toEqual(['done'])
  })

  test('can be terminated while it has work, and started again', async () => {
    const phone = await start(`${ECHO}; setInterval(function () { worker.postMessage('tick') }, 10)`)
    await phone.advance(10)
    await phone.evaluate('getApp().worker.terminate()')
    await phone.advance(1000)
    expect(await received(phone)).toEqual(['tick'])
    await phone.evaluate('getApp().start()')
    await phone.advance(10)
    expect(await received(phone)).toEqual(['tick', 'tick'])
  })
})

test('an unhandled rejection is recorded, in JavaScriptCore', async () => {
  const phone = await startSample({ engine: 'jsc' }, `Promise.reject(new RangeError('nobody cares'))`)
  onTestFinished(() => phone.close())
  expect(phone.errors).toEqual([expect.objectContaining({ thread: 'worker', message: 'nobody cares' })])
})

test('messages that are posted before the script runs are not lost', async () => {
  const phone = await startSample()
  onTestFinished(() => phone.close())
  await phone.evaluate(`(function () { getApp().start(); getApp().worker.postMessage({ early: true }) })()`)
  await phone.settle()
  expect(await received(phone)).toEqual([{ echo: { early: true } }])
  expect(phone.messages.map(({ from, lost }) => [from, lost])).toEqual([
    ['app', false],
    ['worker', false],
  ])
})

test('a message without a listener is lost', async () => {
  const phone = await startSample({}, 'var quiet = true')
  onTestFinished(() => phone.close())
  await post(phone, '{}')
  expect(phone.messages).toEqual([expect.objectContaining({ from: 'app', lost: true })])
})

test('closing a phone fails if a posted message was not JSON', async () => {
  const phone = await startSample({}, ECHO)
  await expect(phone.evaluate('getApp().worker.postMessage({ at: new Date() })')).rejects.toThrow(
    'message.at is a Date',
  )
  expect(() => phone.close()).toThrow('app: message.at is a Date')
})

test.each([
  ['while another runs', 'getApp().start(), getApp().start()', 'exceed max concurrent'],
  ['from a path that starts with a slash', `wx.createWorker('/workers/main.js')`, 'must not start with "/"'],
  ['from a missing file', `wx.createWorker('workers/none.js')`, 'not found'],
  ['from a file outside its folder', `wx.createWorker('app.js')`, 'not found'],
])('a worker cannot be started %s', async (_name, expression, message) => {
  const phone = await startSample()
  onTestFinished(() => phone.close())
  await expect(phone.evaluate(expression)).rejects.toThrow(message)
})
