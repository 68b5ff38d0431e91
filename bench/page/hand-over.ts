/** The response that a bare worker sends. A small body is included, a large one follows in chunks over a port. */
export interface Answer {
  readonly status: number
  readonly headers: [string, string][]
  readonly body: ArrayBuffer | MessagePort
}

export async function handOver(response: Response): Promise<Answer> {
  const { status, headers, body } = response
  const isSmall = Number(headers.get('content-length')) <= 1 << 16
  if (isSmall || body === null) return { status, headers: [...headers], body: await response.arrayBuffer() }
  const { port1, port2 } = new MessageChannel()
  void sendChunks(body, port1)
  return { status, headers: [...headers], body: port2 }
}

async function sendChunks(body: ReadableStream<Uint8Array<ArrayBuffer>>, port: MessagePort): Promise<void> {
  const reader = body.getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    port.postMessage(value.buffer, [value.buffer])
  }
  port.postMessage(null)
}

/** Creates the Response in the page. */
export function receive({ status, headers, body }: Answer): Response {
  return new Response(body instanceof ArrayBuffer ? body : receiveChunks(body), { status, headers })
}

function receiveChunks(port: MessagePort): ReadableStream<Uint8Array<ArrayBuffer>> {
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
