import { createHash } from 'node:crypto'
import { beforeEach, expect, it } from 'vitest'
import { downloadBytes } from '../../servers/http/download-bytes.ts'
import { type Tab, waitUntil } from './driver.ts'
import { adoptTokens, callApi, useScene } from './scene.ts'

const scene = useScene()
let tab: Tab

beforeEach(async () => {
  tab = await scene.openTab('/?worker=adopting')
  await adoptTokens(tab, scene.app)
})

it('reads the JSON of a response, with the subject of the token', async () => {
  const answer = await tab.evaluate(async () => {
    const response = await window.session.fetch(`${window.api}/orders`)
    return { status: response.status, type: response.headers.get('content-type'), body: await response.json() }
  })
  expect(answer).toMatchObject({ status: 200, body: { subject: 'alice' } })
  expect(answer.type).toContain('application/json')
})

it('reads the bodies of 150 simultaneous responses', async () => {
  expect(await callApi(tab, 150)).toEqual(Array(150).fill(200))
})

it('rejects reads of fifty simultaneous bodies that contain the token (I11)', async () => {
  const steps = [{ head: {} }, { write: 'one' }, { wait: 20 }, { write: '{token}' }, { end: true }]
  const outcomes = await tab.evaluate(
    async (path) => {
      const read = (_none: unknown, index: number) => {
        const reading = window.session
          .fetch(`${window.api}${path}&id=echo-${index}`)
          .then((response) => response.text())
        const overdue = new Promise((resolve) => setTimeout(resolve, 10_000, 'its body does not end'))
        return Promise.race([reading, overdue]).catch((error) => error.code)
      }
      return Promise.all(Array.from({ length: 50 }, read))
    },
    `/stream?steps=${encodeURIComponent(JSON.stringify(steps))}`,
  )
  expect(outcomes).toEqual(Array(50).fill('token_reflected'))
})

it('reports the progress of fifty simultaneous uploads to their end', async () => {
  await tab.evaluate(() => {
    const loaded: Record<number, number> = {}
    Object.assign(window, { loaded })
    const upload = (_none: unknown, index: number) =>
      window.session.fetch(`${window.api}/echo`, {
        method: 'POST',
        body: 'x'.repeat(1000),
        onUploadProgress: (progress) => {
          loaded[index] = progress.loaded
        },
      })
    return Promise.all(Array.from({ length: 50 }, upload)).then(() => {})
  })
  await waitUntil(tab, () => {
    const { loaded } = window as unknown as { loaded: Record<number, number> }
    return Object.values(loaded).filter((bytes) => bytes === 1000).length === 50
  })
})

it('streams five megabytes byte for byte, and the page gets the first before the server sends the last', async () => {
  const half = 2_500_000
  const control = `${scene.app.api.origin}/stream-steps?id=download`
  const first = await tab.evaluate(
    async (path) => {
      const response = await window.session.fetch(window.api + path)
      const reader = response.body?.getReader()
      const chunks: Uint8Array<ArrayBuffer>[] = []
      const read = async () => {
        const { value } = (await reader?.read()) ?? {}
        if (value !== undefined) chunks.push(value)
        return value?.length ?? 0
      }
      Object.assign(window, { chunks, read })
      return read()
    },
    `/stream?id=download&steps=${encodeURIComponent(JSON.stringify([{ head: {} }, { fill: half }]))}`,
  )
  expect(first).toBeGreaterThan(0)
  expect(first).toBeLessThanOrEqual(half)

  await fetch(control, { method: 'POST', body: JSON.stringify([{ fill: half }, { end: true }]) })
  const answer = await tab.evaluate(async () => {
    const { read, chunks } = window as unknown as { read: () => Promise<number>; chunks: Uint8Array<ArrayBuffer>[] }
    while ((await read()) > 0);
    const content = await new Blob(chunks).arrayBuffer()
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', content))
    return {
      length: content.byteLength,
      hash: [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join(''),
    }
  })
  const bytes = downloadBytes(0, half)
  const hash = createHash('sha256').update(bytes).update(bytes).digest('hex')
  expect(answer).toEqual({ length: 2 * half, hash })
})

it('rejects with the reason of an abort, before the response and during the body', async () => {
  const names = await tab.evaluate(async () => {
    const outcomes: unknown[] = []
    const waiting = new AbortController()
    const answer = window.session.fetch(`${window.api}/delay/20000`, { signal: waiting.signal })
    setTimeout(() => waiting.abort(), 50)
    outcomes.push(await answer.catch((error) => error.name))

    const reading = new AbortController()
    const response = await window.session.fetch(`${window.api}/download?size=20000000`, { signal: reading.signal })
    const reader = response.body?.getReader()
    await reader?.read()
    reading.abort('enough')
    try {
      for (;;) if ((await reader?.read())?.done !== false) break
      outcomes.push('read to its end')
    } catch (error) {
      outcomes.push(error)
    }
    return outcomes
  })
  expect(names).toEqual(['AbortError', 'enough'])
})

it("rejects with a TypeError if the server cannot be reached, and returns the API's own errors", async () => {
  const stream = `/stream?id=cut&steps=${encodeURIComponent(JSON.stringify([{ destroy: true }]))}`
  const outcomes = await tab.evaluate(async (cut) => {
    const failed = await window.session.fetch(window.api + cut, { method: 'POST', body: 'once' }).then(
      () => 'answered',
      (error) => error instanceof TypeError,
    )
    const { status } = await window.session.fetch(`${window.api}/status/500`)
    return [failed, status]
  }, stream)
  expect(outcomes).toEqual([true, 500])
})

it('uploads FormData with a file', async () => {
  const answer = await tab.evaluate(async () => {
    const form = new FormData()
    form.set('note', '令牌')
    form.set('upload', new File([new Uint8Array([1, 2, 3])], 'photo.png', { type: 'image/png' }))
    return (await window.session.fetch(`${window.api}/echo`, { method: 'POST', body: form })).json()
  })
  expect(answer.contentType).toMatch(/^multipart\/form-data; ?boundary=/)
  for (const part of ['令牌', 'name="upload"; filename="photo.png"', 'image/png'])
    expect(answer.bodyText).toContain(part)
})

it('delivers server-sent events one by one', async () => {
  const steps = [{ head: { 'content-type': 'text/event-stream' } }, { write: 'data: one\n\n' }]
  const first = await tab.evaluate(
    async (path) => {
      const response = await window.session.fetch(window.api + path)
      const reader = response.body?.getReader()
      const read = async () => new TextDecoder().decode((await reader?.read())?.value)
      Object.assign(window, { read })
      return read()
    },
    `/stream?id=events&steps=${encodeURIComponent(JSON.stringify(steps))}`,
  )
  expect(first).toBe('data: one\n\n')
  // Only now, because the first event must arrive while the response is still open.
  await fetch(`${scene.app.api.origin}/stream-steps?id=events`, {
    method: 'POST',
    body: JSON.stringify([{ write: 'data: two\n\n' }, { end: true }]),
  })
  const rest = await tab.evaluate(async () => {
    const { read } = window as unknown as { read: () => Promise<string> }
    return [await read(), await read()]
  })
  expect(rest).toEqual(['data: two\n\n', ''])
})
