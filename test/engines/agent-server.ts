import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { RemotePage } from './driver.ts'

interface Order {
  readonly id: number
  readonly source: string
  readonly given: readonly unknown[]
}

const limit = 30_000

/** Sends functions to pages that poll for them (`agent.ts` of the test app), for a browser without a driver. */
export async function startAgentServer() {
  const orders = new Map<string, Order[]>()
  const asking = new Map<string, ServerResponse>()
  const waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>()
  /** The page that started each unanswered function. */
  const taken = new Map<number, string>()
  let lastId = 0

  const server = createServer(async (request, response) => {
    response.setHeader('access-control-allow-origin', '*')
    response.setHeader('cache-control', 'no-store')
    const url = new URL(request.url ?? '/', 'http://localhost')
    const name = url.searchParams.get('agent') ?? ''
    if (request.method === 'GET') {
      const [first, ...rest] = orders.get(name) ?? []
      const took = url.searchParams.get('took')
      if (took === '0') abandon(name)
      if (first !== undefined && String(first.id) === took) {
        orders.set(name, rest)
        taken.set(first.id, name)
      }
      asking.set(name, response)
      response.on('close', () => {
        if (asking.get(name) === response) asking.delete(name)
      })
      return answer(name)
    }
    const { id, value, error } = JSON.parse(await readText(request))
    taken.delete(id)
    if (error === undefined) waiting.get(id)?.resolve(value as never)
    else waiting.get(id)?.reject(new Error(error))
    response.end()
  })
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve))
  const address = server.address()
  const origin = `http://localhost:${typeof address === 'object' && address ? address.port : 0}`

  /** A newly loaded page does not answer a function that another page started. */
  function abandon(name: string): void {
    for (const [id, owner] of taken) {
      if (owner !== name) continue
      taken.delete(id)
      waiting.get(id)?.reject(new Error(`The ${name} page was left before it answered.`))
    }
  }

  function answer(name: string): void {
    const response = asking.get(name)
    const [order] = orders.get(name) ?? []
    if (response === undefined || order === undefined) return
    // Kept until its page polls for the next: a page that is being unloaded may not have received it.
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
          const overdue = () => reject(new Error(`No answer from the ${name} page within ${limit / 1000} s: ${run}`))
          setTimeout(overdue, limit).unref()
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
