import { control } from '../control.ts'
import { readGood } from './client.ts'
import type { Host } from './lingpai.ts'
import type { OwnFetch } from './own-fetch.ts'

interface Answer {
  readonly id: number
  readonly status: number
  readonly headers: [string, string][]
  readonly body: ArrayBuffer | MessagePort
}

/** The platform's floor: the page's side of `bare.worker.ts`. */
export async function createBareWorker(host: Host, port = start(host)): Promise<OwnFetch> {
  const { accessToken } = await control.signIn()
  const waiting = new Map<number, (answer: Answer) => void>()
  let last = 0
  port.onmessage = ({ data }: MessageEvent<Answer>) => {
    waiting.get(data.id)?.(data)
    waiting.delete(data.id)
  }

  async function call(url: string): Promise<Response> {
    const id = ++last
    const { status, headers, body } = await new Promise<Answer>((resolve) => {
      waiting.set(id, resolve)
      port.postMessage({ id, url, token: accessToken })
    })
    return new Response(body instanceof ArrayBuffer ? body : receive(body), { status, headers })
  }
  return { fetch: call, read: async (url) => readGood(await call(url)) }
}

function start(host: Host): MessagePort | Worker {
  if (host === 'dedicated') return new Worker(new URL('../bare.worker.ts', import.meta.url), { type: 'module' })
  return new SharedWorker(new URL('../bare.worker.ts', import.meta.url), { type: 'module', name: 'bare' }).port
}

function receive(port: MessagePort): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    start(controller) {
      port.onmessage = ({ data }: MessageEvent<ArrayBuffer | null>) => {
        if (data !== null) return controller.enqueue(new Uint8Array(data))
        port.close()
        controller.close()
      }
    },
  })
}
