import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export type RequestHandler = (request: IncomingMessage, response: ServerResponse) => Promise<void>

export interface HttpServerOptions {
  readonly port?: number | undefined
  readonly hostname?: string | undefined
}

export interface HttpServer {
  readonly origin: string
  close(): Promise<void>
}

/** The handler is made once the port is known, since an issuer names its own address. */
export async function startHttpServer(
  options: HttpServerOptions,
  createHandler: (origin: string) => Promise<RequestHandler>,
): Promise<HttpServer> {
  const { port = 0, hostname = 'localhost' } = options
  let publish: (handler: RequestHandler) => void = () => {}
  const handlerReady = new Promise<RequestHandler>((resolve) => {
    publish = resolve
  })

  const server = createServer(async (request, response) => {
    try {
      const handle = await handlerReady
      await handle(request, response)
    } catch (error) {
      if (request.socket.destroyed) return
      console.error(error)
      if (!response.headersSent) response.writeHead(500)
      response.end()
    }
  })
  // Node's five seconds close a kept connection just when a test that slept a little uses it again.
  server.keepAliveTimeout = 60_000

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, hostname, resolve)
  })
  const origin = `http://${hostname}:${(server.address() as AddressInfo).port}`
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })

  try {
    publish(await createHandler(origin))
  } catch (error) {
    await close()
    throw error
  }
  return { origin, close }
}
