import { expect, test, vi } from 'vitest'
import { createPagePorts, UNPROVEN } from '../../../worker/host/page-ports.ts'
import { createRequestSemaphore, MAX_PER_PAGE, MAX_UNPROVEN } from '../../../worker/host/request-semaphore.ts'
import { createTestServer, RawPage } from '../../fixtures/raw-page.ts'

const alive = new AbortController().signal

/** A browser in which each lock is held by one client. */
function open(holders: Record<string, string> = {}) {
  const answers: (() => void)[] = []
  const findOwner = vi.fn(
    (lock: string | undefined) =>
      new Promise<string | undefined>((resolve) => answers.push(() => resolve(holders[lock ?? '']))),
  )
  const ports = createPagePorts(findOwner)
  const left: number[] = []
  const add = (number: number) =>
    ports.add(number, () => {
      left.push(number)
      ports.remove(number)
    })
  const prove = async (number: number, lock?: string) => {
    ports.prove(number, lock)
    for (const answer of answers.splice(0)) answer()
    return ports.ownerOf(number)
  }
  return { ports, add, prove, left, answers }
}

test('a port belongs to the client that holds the lock which it names', async () => {
  const { ports, add, prove } = open({ 'lock-a': 'client-a' })
  add(1)
  expect(ports.ownerOf(1)).toBe(UNPROVEN)
  expect(await prove(1, 'lock-a')).toBe('client-a')
  expect(ports.ownerOf(1)).toBe('client-a')
})

test.each([
  ['a lock that no client holds', 'lock-b'],
  ['no lock', undefined],
])('a port that names %s is not proven', async (_what, lock) => {
  const { add, prove } = open({ 'lock-a': 'client-a' })
  add(1)
  expect(await prove(1, lock)).toBe(UNPROVEN)
})

test('all ports of one page have one owner, also if each names a lock of its own', async () => {
  const { add, prove } = open({ one: 'client', two: 'client', three: 'other' })
  for (const number of [1, 2, 3]) add(number)
  expect([await prove(1, 'one'), await prove(2, 'two'), await prove(3, 'three')]).toEqual(['client', 'client', 'other'])
})

test('while its lock is checked, a port has the owner that the check will find', async () => {
  const { ports, add, answers } = open({ 'lock-a': 'client-a' })
  add(1)
  ports.prove(1, 'lock-a')
  const owner = ports.ownerOf(1)
  expect(owner).toBeInstanceOf(Promise)
  answers[0]?.()
  expect(await owner).toBe('client-a')
})

test('of two checks of one port, the later one counts', async () => {
  const { ports, add, answers } = open({ old: 'client-a', new: 'client-b' })
  add(1)
  ports.prove(1, 'old')
  ports.prove(1, 'new')
  answers[1]?.()
  await Promise.resolve()
  answers[0]?.()
  await new Promise((resolve) => setTimeout(resolve))
  expect(ports.ownerOf(1)).toBe('client-b')
})

test('of more than a hundred ports without a proven page, the oldest is closed; pages that are proven stay', async () => {
  const { add, prove, left } = open({ 'lock-a': 'client-a' })
  add(0)
  await prove(0, 'lock-a')
  for (let number = 1; number <= 103; number += 1) add(number)
  expect(left).toEqual([1, 2, 3])
})

test('of more than sixteen ports of one page, the oldest is closed', async () => {
  const { add, prove, left } = open({ 'lock-a': 'client-a', 'lock-b': 'client-b' })
  add(100)
  await prove(100, 'lock-b')
  for (let number = 1; number <= 18; number += 1) {
    add(number)
    await prove(number, 'lock-a')
  }
  expect(left).toEqual([1, 2])
})

test('in a browser without Web Locks, each port is a page of its own once it has said hello', () => {
  const ports = createPagePorts()
  ports.add(1, () => {})
  ports.add(2, () => {})
  expect(ports.ownerOf(1)).toBe(UNPROVEN)
  ports.prove(1, undefined)
  ports.prove(2, undefined)
  expect(ports.ownerOf(1)).not.toBe(ports.ownerOf(2))
})

test('the ports without a proven page share a few requests in flight, and leave the rest to pages', () => {
  const semaphore = createRequestSemaphore()
  const acquired = Array.from({ length: 600 }, () => semaphore.acquire(UNPROVEN, alive)).filter(
    (slot) => slot === undefined,
  )
  expect(acquired).toHaveLength(MAX_UNPROVEN)
  expect(MAX_UNPROVEN).toBeLessThan(MAX_PER_PAGE)
  expect(semaphore.acquire('client-a', alive)).toBeUndefined()
})

test('a port that has not said hello gets no answer but an error, and no snapshot', async () => {
  const server = createTestServer()
  const silent = new RawPage(server, false)
  const page = new RawPage(server)
  const methods = [
    'ping',
    'explain',
    'signOut',
    'getAccessToken',
    'fetch',
    'request',
    'signIn',
    'authorize',
    'callback',
    'adopt',
  ]
  for (const method of methods) {
    const given = { explain: [{}], signOut: [false], getAccessToken: ['a'], ping: [] }[method]
    const reply = await silent.call(
      method,
      ...(given ?? ['a', { url: 'https://api.example/', method: 'GET', headers: [] }]),
    )
    expect([method, (reply.value as { code?: string }).code]).toEqual([method, 'invalid_call'])
  }
  await page.call('signIn', 'one', { account: 'alice' })
  expect(page.replies.some((reply) => reply.lingpai === 'snapshot')).toBe(true)
  expect(silent.replies.filter((reply) => reply.lingpai === 'snapshot')).toEqual([])
  expect((await page.call('explain', {})).value).not.toContainEqual(
    expect.objectContaining({ event: 'page-connected', page: 1 }),
  )
  silent.close()
  page.close()
})
