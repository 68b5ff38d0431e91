import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { RemotePage } from './driver.ts'

interface Order {
  readonly id: number
  readonly source: string
  readonly given: readonly unknown[]
}

/** Hands functions to pages that ask for them (`agent.ts` of the test app), for a browser that nobody drives. */
export async function startAgentServer() {
  const orders = new Map<string, Order[]>()
  const asking = new Map<string, ServerResponse>()
  const waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>()
  let lastId = 0

  const server = createServer(async (request, response) => {
    response.setHeader('access-control-allow-origin', '*')
    response.setHeader('cache-control', 'no-store')
    const url = new URL(request.url ?? '/', 'http://localhost')
    const name = url.searchParams.get('agent') ?? ''
    if (request.method === 'GET') {
      const [first, ...rest] = orders.get(name) ?? []
      if (first !== undefined && String(first.id) === url.searchParams.get('took')) orders.set(name, rest)
      asking.set(name, response)
      response.on('close', () => {
        if (asking.get(name) === response) asking.delete(name)
      })
      return answer(name)
    }
    const { id, value, error } = JSON.parse(await readText(request))
    if (error === undefined) waiting.get(id)?.resolve(value as never)
    else waiting.get(id)?.reject(new Error(error))
    response.end()
  })
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve))
  const address = server.address()
  const origin = `http://localhost:${typeof address === 'object' && address ? address.port : 0}`

  function answer(name: string): void {
    const response = asking.get(name)
    const [order] = orders.get(name) ?? []
    if (response === undefined || order === undefined) return
    // Kept until its page asks for the next: a page that is just being left has not heard it.
    asking.delete(name)
    response.end(JSON.stringify(order))
  }

  return {
    urlFor(name: string, url: string): string {
      const result = new URL(url)
      result.searchParams.set('agents', `${origin}/?agent=${name}`)
      return result.href
    },

    page: (name: string): RemotePage => ({
      evaluate: (run, ...given) =>
        new Promise((resolve, reject) => {
          const id = ++lastId
          waiting.set(id, { resolve: resolve as (value: never) => void, reject })
          orders.set(name, [...(orders.get(name) ?? []), { id, source: String(run), given }])
          answer(name)
        }),
    }),

    async close(): Promise<void> {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function readText(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request) text += chunk
  return text
}
