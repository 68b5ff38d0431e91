import { control } from '../control.ts'
import { type Answer, receive } from '../hand-over.ts'
import { readGood } from './client.ts'
import type { Host } from './lingpai.ts'
import type { OwnFetch } from './own-fetch.ts'

interface NumberedAnswer extends Answer {
  readonly id: number
}

/** The platform's minimum: the page's side of `bare.worker.ts`. */
export async function createBareWorker(host: Host, port = start(host)): Promise<OwnFetch> {
  const { accessToken } = await control.signIn()
  const waiting = new Map<number, (answer: NumberedAnswer) => void>()
  let last = 0
  port.onmessage = ({ data }: MessageEvent<NumberedAnswer>) => {
    waiting.get(data.id)?.(data)
    waiting.delete(data.id)
  }

  async function call(url: string): Promise<Response> {
    const id = ++last
    const answer = await new Promise<Answer>((resolve) => {
      waiting.set(id, resolve)
      port.postMessage({ id, url, token: accessToken })
    })
    return receive(answer)
  }
  return { fetch: call, read: async (url) => readGood(await call(url)) }
}

function start(host: Host): MessagePort | Worker {
  if (host === 'dedicated') return new Worker(new URL('../bare.worker.ts', import.meta.url), { type: 'module' })
  return new SharedWorker(new URL('../bare.worker.ts', import.meta.url), { type: 'module', name: 'bare' }).port
}
