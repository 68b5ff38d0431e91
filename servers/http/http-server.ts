import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createSecureServer } from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'

export type RequestHandler = (request: IncomingMessage, response: ServerResponse) => Promise<void>

export interface HttpServerOptions {
  readonly port?: number | undefined
  readonly hostname?: string | undefined
  /** Key and certificate in PEM, for HTTP/2 over TLS with HTTP/1.1 as fallback. Default: HTTP/1.1 without TLS. */
  readonly tls?: { readonly key: string; readonly cert: string } | undefined
}

export interface HttpServer {
  readonly origin: string
  /** Destroys every connection, and each new one until it is restored. */
  cutConnections(): { restore(): void }
  close(): Promise<void>
}

/** The handler is created after the port is known, because an issuer contains its own address. */
export async function startHttpServer(
  options: HttpServerOptions,
  createHandler: (origin: string) => Promise<RequestHandler>,
): Promise<HttpServer> {
  const { port = 0, hostname = 'localhost', tls } = options
  let publish: (handler: RequestHandler) => void = () => {}
  const handlerReady = new Promise<RequestHandler>((resolve) => {
    publish = resolve
  })

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    try {
      const handle = await handlerReady
      await handle(request, response)
    } catch (error) {
      if (request.socket.destroyed) return
      console.error(error)
      if (!response.headersSent) response.writeHead(500)
      response.end()
    }
  }
  const server =
    tls === undefined ? createServer(answer) : createSecureServer({ ...tls, allowHTTP1: true }, answer as never)
  // After Node's default of five seconds, a kept connection could close just when a test uses it again.
  if ('keepAliveTimeout' in server) server.keepAliveTimeout = 60_000
  const sockets = new Set<Socket>()
  let cuts = 0
  server.on('connection', (socket: Socket) => {
    if (cuts > 0) {
      socket.destroy()
      return
    }
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, hostname, resolve)
  })
  const origin = `${tls === undefined ? 'http' : 'https'}://${hostname}:${(server.address() as AddressInfo).port}`
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve())
      for (const socket of sockets) socket.destroy()
    })

  try {
    publish(await createHandler(origin))
  } catch (error) {
    await close()
    throw error
  }
  return {
    origin,
    cutConnections() {
      let isCut = true
      cuts += 1
      for (const socket of sockets) socket.destroy()
      return {
        restore() {
          if (isCut) cuts -= 1
          isCut = false
        },
      }
    },
    close,
  }
}
