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

test('a successor gets the answer that a lost worker was waiting for, and nothing is sent again (I2)', async () => {
  const { send, sent } = createFakeNetwork()
  const [lost, successor] = [send(1, 'a.1'), send(2, 'a.1')]
  expect(sent).toHaveLength(1)
  sent[0]?.succeed('new tokens')
  expect(await Promise.all([lost.answer, successor.answer])).toMatchObject([
    { text: 'new tokens' },
    { text: 'new tokens' },
  ])
})

test('an answer that has come already is given to the successor too (I2)', async () => {
  const { send, sent } = createFakeNetwork()
  const { answer } = send(1, 'a.1')
  sent[0]?.succeed('new tokens')
  await answer
  expect(await send(2, 'a.1').answer).toMatchObject({ text: 'new tokens' })
  expect(await send(3, 'a.1').answer).toMatchObject({ text: 'new tokens' })
  expect(sent).toHaveLength(1)
})

test('the same worker that asks again means to send again, and so does its next retry', () => {
  const { send, sent } = createFakeNetwork()
  send(1, 'a.1')
  send(1, 'a.1')
  send(2, 'a.1')
  expect(sent).toHaveLength(2)
  send(2, 'a.1')
  expect(sent).toHaveLength(3)
})

test('another name, or none, is another request', () => {
  const { send, sent } = createFakeNetwork()
  send(1, 'a.1')
  send(2, 'a.2')
  send(1, undefined)
  send(2, undefined)
  expect(sent).toHaveLength(4)
})

test('an aborted exchange is given to nobody', () => {
  const { send, sent } = createFakeNetwork()
  send(1, 'a.1').abort()
  expect(sent[0]?.abort).toHaveBeenCalledOnce()
  send(2, 'a.1')
  expect(sent).toHaveLength(2)
})

test('a late abort of an earlier attempt leaves the later one to be taken over', async () => {
  const { send, sent } = createFakeNetwork()
  const first = send(1, 'a.1')
  send(1, 'a.1')
  first.abort()
  const successor = send(2, 'a.1')
  expect(sent).toHaveLength(2)
  sent[1]?.succeed('of the second')
  expect(await successor.answer).toMatchObject({ text: 'of the second' })
})

test('an abort without a name ends its own request', () => {
  const { send, sent } = createFakeNetwork()
  send(1, undefined).abort()
  expect(sent[0]?.abort).toHaveBeenCalledOnce()
})

test('once the session is stored, what was asked before is settled', () => {
  const { grantRequests, send, sent } = createFakeNetwork()
  send(1, 'a.1')
  grantRequests.clear()
  send(2, 'a.1')
  expect(sent).toHaveLength(2)
})

test('only the last eight are kept, whichever were asked for last', () => {
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
