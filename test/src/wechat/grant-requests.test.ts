import { expect, test, vi } from 'vitest'
import { createGrantRequests } from '../../../src/wechat/grant-requests.ts'
import type { HttpAnswer, OutgoingRequest } from '../../../src/wechat/network.ts'

const refreshRequest: OutgoingRequest = { url: 'https://api.example/refresh', method: 'POST', headers: [] }

function createFakeNetwork() {
  const sent: { succeed(text: string): void; fail(error: Error): void; abort: ReturnType<typeof vi.fn> }[] = []
  const grantRequests = createGrantRequests({
    request() {
      const abort = vi.fn()
      const answer = new Promise<HttpAnswer>((resolve, reject) => {
        sent.push({ succeed: (text) => resolve({ status: 200, headers: {}, text }), fail: reject, abort })
      })
      return { answer, abort }
    },
  })
  const send = (connection: number, name: string | undefined) => grantRequests.send(connection, name, refreshRequest)
  return { grantRequests, send, sent }
}

test('the next worker gets the answer to the request of a lost worker, and nothing is sent again (I2)', async () => {
  const { send, sent } = createFakeNetwork()
  const [lost, next] = [send(1, 'a.1'), send(2, 'a.1')]
  expect(sent).toHaveLength(1)
  sent[0]?.succeed('new tokens')
  expect(await Promise.all([lost.answer, next.answer])).toMatchObject([{ text: 'new tokens' }, { text: 'new tokens' }])
})

test('the next worker also gets an answer that arrived before it asked (I2)', async () => {
  const { send, sent } = createFakeNetwork()
  const { answer } = send(1, 'a.1')
  sent[0]?.succeed('new tokens')
  await answer
  expect(await send(2, 'a.1').answer).toMatchObject({ text: 'new tokens' })
  expect(await send(3, 'a.1').answer).toMatchObject({ text: 'new tokens' })
  expect(sent).toHaveLength(1)
})

test('a second request of the same worker is sent again, as is each retry', () => {
  const { send, sent } = createFakeNetwork()
  send(1, 'a.1')
  send(1, 'a.1')
  send(2, 'a.1')
  expect(sent).toHaveLength(2)
  send(2, 'a.1')
  expect(sent).toHaveLength(3)
})

test('a request with another name, or without one, is sent', () => {
  const { send, sent } = createFakeNetwork()
  send(1, 'a.1')
  send(2, 'a.2')
  send(1, undefined)
  send(2, undefined)
  expect(sent).toHaveLength(4)
})

test('the next worker does not get an aborted request', () => {
  const { send, sent } = createFakeNetwork()
  send(1, 'a.1').abort()
  expect(sent[0]?.abort).toHaveBeenCalledOnce()
  send(2, 'a.1')
  expect(sent).toHaveLength(2)
})

test('a late abort of an earlier attempt does not keep the next worker from the later one', async () => {
  const { send, sent } = createFakeNetwork()
  const first = send(1, 'a.1')
  send(1, 'a.1')
  first.abort()
  const next = send(2, 'a.1')
  expect(sent).toHaveLength(2)
  sent[1]?.succeed('of the second')
  expect(await next.answer).toMatchObject({ text: 'of the second' })
})

test('a request without a name can be aborted', () => {
  const { send, sent } = createFakeNetwork()
  send(1, undefined).abort()
  expect(sent[0]?.abort).toHaveBeenCalledOnce()
})

test('after clear, an earlier request is sent again', () => {
  const { grantRequests, send, sent } = createFakeNetwork()
  send(1, 'a.1')
  grantRequests.clear()
  send(2, 'a.1')
  expect(sent).toHaveLength(2)
})

test('only the eight requests that were asked for last are kept', () => {
  const { send, sent } = createFakeNetwork()
  for (let number = 1; number <= 8; number += 1) send(1, `a.${number}`)
  send(2, 'a.1')
  expect(sent).toHaveLength(8)
  send(1, 'a.9')
  send(3, 'a.1')
  send(3, 'a.9')
  expect(sent).toHaveLength(9)
  send(2, 'a.2')
  expect(sent).toHaveLength(10)
})
