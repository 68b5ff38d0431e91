import { describe, expect, onTestFinished, test } from 'vitest'
import type { PhoneOptions } from '../fixtures/wechat/phone.ts'
import { ECHO, engines, events, post, received, startSample } from '../fixtures/wechat/sample-app.ts'

async function start(options: Partial<PhoneOptions> = {}, script?: string) {
  const phone = await startSample(options, script)
  onTestFinished(() => phone.close())
  return phone
}

const NOTE_TIMERS = `(function () {
  var begin = Date.now(), events = getApp().events
  function later(name, delay) { setTimeout(function () { events.push(name + ' ' + (Date.now() - begin)) }, delay) }
  later('c', 20000); later('a', 8000); later('before', 4000); later('b', 9000)
})()`

test('the app thread has only the global names of the platform and the language', async () => {
  const phone = await start()
  const names = await phone.evaluate<string[]>(`Object.getOwnPropertyNames(globalThis).sort()`)
  const platform = names.filter((name) => !(name in globalThis))
  expect(platform).toEqual(['App', 'Component', 'Page', 'getApp', 'getCurrentPages', 'wx'])
  const absent = ['URL', 'TextEncoder', 'crypto', 'AbortController', 'structuredClone', 'MessageChannel', 'fetch']
  const missing = [...absent, 'queueMicrotask', 'performance', 'WebAssembly', 'process', 'setImmediate', 'Buffer']
  expect(names.filter((name) => missing.includes(name))).toEqual([])
})

test('the app thread of base library 2.20.2 has the additions of core-js, and nothing newer', async () => {
  const phone = await start({ baseLibrary: '2.20.2' })
  const types = await phone.evaluate<string[]>(`[typeof globalThis, typeof Object.fromEntries, typeof [].flat,
    typeof Promise.allSettled, typeof Promise.prototype.finally, typeof ''.matchAll,
    typeof Object.hasOwn, typeof [].at, typeof WeakRef, typeof BigInt, typeof [].findLast]`)
  expect(types.slice(0, 6)).toEqual(['object', 'function', 'function', 'function', 'function', 'function'])
  expect(new Set(types.slice(6))).toEqual(new Set(['undefined']))
})

test('the app can require packages and its own files, but not those of the worker', async () => {
  const phone = await start({
    files: {
      'miniprogram_npm/kit/index.js': `module.exports = require('./extra.js')`,
      'miniprogram_npm/kit/extra.js': `exports.name = 'kit'`,
      'pages/home/helper.js': `exports.kit = require('kit'); exports.extra = require('kit/extra')`,
    },
  })
  const helper = await phone.evaluate(`require('./pages/home/helper')`)
  expect(helper).toEqual({ kit: { name: 'kit' }, extra: { name: 'kit' } })
  await expect(phone.evaluate(`require('./workers/main.js')`)).rejects.toThrow('is not defined')
  await expect(phone.evaluate(`require('unknown')`)).rejects.toThrow(`require args is 'unknown'`)
})

describe.each(engines)('with a worker in %s', (engine) => {
  test('timers of both threads run in one order', async () => {
    const script = `var begin = Date.now()
      setInterval(function () { worker.postMessage('worker ' + (Date.now() - begin)) }, 100)`
    const phone = await start({ engine }, script)
    await phone.evaluate(`(function () {
      var begin = Date.now()
      setInterval(function () { getApp().received.push('app ' + (Date.now() - begin)) }, 150)
    })()`)
    await phone.advance(300)
    expect(await received(phone)).toEqual(['worker 100', 'app 150', 'worker 200', 'worker 300', 'app 300'])
  })

  test('a frozen worker does nothing, and then handles everything at once', async () => {
    const script = `var begin = Date.now()
      worker.onMessage(function (message) { worker.postMessage(message) })
      setTimeout(function () { worker.postMessage('timer ' + (Date.now() - begin)) }, 7000)`
    const phone = await start({ engine }, script)
    await phone.hide()
    await phone.advance(60_000)
    expect(phone.messages).toEqual([])
    await phone.show()
    expect(await received(phone)).toEqual(['timer 60000'])
  })

  test('a killed worker loses its messages, and another can be started', async () => {
    const phone = await start({ engine }, ECHO)
    await phone.evaluate('getApp().worker.postMessage({})')
    await phone.killWorker()
    await phone.evaluate('getApp().worker.postMessage({})')
    await phone.settle()
    expect(await received(phone)).toEqual([])
    expect(await events(phone)).toEqual(['killed'])
    expect(phone.messages.at(-1)).toMatchObject({ lost: true })
    await phone.evaluate('getApp().start()')
    await post(phone, '{ again: true }')
    expect(await received(phone)).toEqual([{ echo: { again: true } }])
  })

  test('a worker can kill itself, and its pending messages are lost', async () => {
    const phone = await start({ engine }, `worker.postMessage('too late'); worker.testOnProcessKilled()`)
    expect(await events(phone)).toEqual(['killed'])
    expect(await received(phone)).toEqual([])
    expect(phone.hasWorker).toBe(false)
  })

  test('a crashed worker is silent, and counts as the one worker until it is terminated', async () => {
    const phone = await start({ engine }, ECHO)
    await phone.crashWorker('out of luck')
    await post(phone, '{}')
    expect(await events(phone)).toEqual(['error: out of luck'])
    expect(await received(phone)).toEqual([])
    await expect(phone.evaluate('getApp().start()')).rejects.toThrow('terminate')
    await phone.evaluate('(getApp().worker.terminate(), getApp().start())')
    await post(phone, '{ b: 1 }')
    expect(await received(phone)).toEqual([{ echo: { b: 1 } }])
  })
})

test('five seconds after it was hidden the app freezes; on return due timers fire at once and in order', async () => {
  const phone = await start()
  await phone.evaluate(NOTE_TIMERS)
  await phone.evaluate(`(wx.onAppHide(getApp().note('hide')), wx.onAppShow(getApp().note('show')))`)
  await phone.hide()
  expect(phone.state).toBe('hidden')
  await phone.advance(10_000)
  expect(phone.state).toBe('frozen')
  await phone.show()
  expect(await events(phone)).toEqual(['hide', 'before 4000', 'a 10000', 'b 10000', 'show'])
  await phone.advance(10_000)
  expect((await events(phone)).at(-1)).toBe('c 20000')
})

test('a short time in the background freezes nothing', async () => {
  const phone = await start()
  await phone.evaluate(NOTE_TIMERS)
  await phone.hide()
  await phone.advance(4999)
  await phone.show()
  await phone.advance(4000)
  expect(await events(phone)).toEqual(['before 4000', 'a 8000'])
})

test('an app that may go on in the background does not freeze', async () => {
  const phone = await start({ freezes: false })
  await phone.evaluate(NOTE_TIMERS)
  await phone.hide()
  await phone.advance(9000)
  expect(await events(phone)).toEqual(['before 4000', 'a 8000', 'b 9000'])
})

test('a killed app does nothing more, and restarts with its storage', async () => {
  const phone = await start({}, ECHO)
  await phone.evaluate(`(wx.setStorageSync('kept', 1), setTimeout(function () { wx.setStorageSync('late', 1) }, 10))`)
  phone.killApp()
  await phone.advance(1000)
  expect(phone.state).toBe('killed')
  expect(phone.hasWorker).toBe(false)
  await phone.restartApp()
  expect(
    await phone.evaluate(`[wx.getStorageSync('kept'), wx.getStorageSync('late'), typeof getApp().worker]`),
  ).toEqual([1, '', 'undefined'])
})

test('older base libraries have no onError on workers', async () => {
  const phone = await start({ baseLibrary: '2.20.2' }, ECHO)
  expect(await phone.evaluate('typeof getApp().worker.onError')).toBe('undefined')
})

test('an exception in a callback of the app is recorded and reported to wx.onError', async () => {
  const phone = await start()
  await phone.evaluate(`wx.onError(function (message) { getApp().events.push(message) })`)
  await phone.evaluate(`setTimeout(function () { throw new TypeError('in a timer') }, 1)`)
  await phone.advance(1)
  expect(phone.errors).toEqual([expect.objectContaining({ thread: 'app', name: 'TypeError', message: 'in a timer' })])
  expect(await events(phone)).toEqual(['in a timer'])
})

test('until rejects when its time is over', async () => {
  const phone = await start()
  const slow = phone.evaluate(`new Promise(function (resolve) { setTimeout(resolve, 5000, 'done') })`)
  await expect(phone.until(slow, { within: 4999 })).rejects.toThrow('4999 virtual milliseconds')
  expect(await phone.until(slow, { within: 1 })).toBe('done')
  expect(await phone.until(() => phone.now() > 0)).toBe(true)
})

test('rejections keep the name, the message and the fields of their error', async () => {
  const phone = await start()
  const failing = phone.run(`Promise.reject(Object.assign(new RangeError('too far'), { code: 'far', data: { a: 1 } }))`)
  const error = await failing.catch((reason) => reason)
  expect(error).toBeInstanceOf(Error)
  expect(error).toMatchObject({ name: 'RangeError', message: 'too far', code: 'far', data: { a: 1 } })
})

test('an endless loop of steps is detected', async () => {
  const phone = await start()
  await phone.evaluate('(function again() { setTimeout(again, 0) })()')
  await expect(phone.settle()).rejects.toThrow('still more to do')
  phone.killApp()
})

test('a function is run in the app thread with values of the test', async () => {
  const phone = await start()
  const sum = await phone.run((one: number, other: number) => Promise.resolve(one + other), 1, 2)
  expect(sum).toBe(3)
})

test('on older iPhones what follows from a promise comes after other events', async () => {
  const order = `(function () {
    var app = getApp()
    wx.getNetworkType({ success: app.note('event') })
    Promise.resolve().then(app.note('promise')).then(app.note('next'))
  })()`
  const newer = await start()
  await newer.evaluate(order)
  await newer.settle()
  expect(await events(newer)).toEqual(['promise', 'next', 'event'])
  const older = await start({ promises: 'macrotask' })
  await older.evaluate(order)
  await older.settle()
  expect(await events(older)).toEqual(['event', 'promise', 'next'])
})

test('the promises of older iPhones keep the rules', async () => {
  const phone = await start({ promises: 'macrotask' })
  const results = await phone.run(`Promise.allSettled([
    Promise.resolve(1).then(function (value) { return Promise.resolve(value + 1) }),
    new Promise(function (resolve, reject) { reject(2); resolve(3) }),
    Promise.reject(1).catch(function (reason) { return reason + 10 }),
    Promise.all([1, Promise.resolve(2)]),
    Promise.race([new Promise(function () {}), Promise.resolve('first')]),
    Promise.resolve('kept').finally(function () { return 'dropped' }),
    Promise.resolve().then(function () { throw 4 }),
    wx.getNetworkType().then(function (result) { return result.networkType }),
  ]).then(function (results) { return results.map(function (one) { return [one.status, one.value || one.reason] }) })`)
  const ok = 'fulfilled'
  expect(results).toEqual([
    ...[
      [ok, 2],
      ['rejected', 2],
      [ok, 11],
      [ok, [1, 2]],
    ],
    ...[
      [ok, 'first'],
      [ok, 'kept'],
      ['rejected', 4],
      [ok, 'wifi'],
    ],
  ])
})
