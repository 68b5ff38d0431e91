/**
 * Records when a request reaches each stage in a worker. A worker's script imports it first, so that later modules use the
 * functions that it replaces. It costs each contestant the same.
 */
const stages = new BroadcastChannel('stages')
let noted: Record<string, number> = {}

/** Milliseconds since 1970, the same clock in every thread. */
const now = () => performance.timeOrigin + performance.now()

function note(stage: string): void {
  noted[stage] ??= now()
}

const platformFetch = globalThis.fetch
globalThis.fetch = async (input, init) => {
  note('fetch called')
  const response = await platformFetch(input, init)
  note('headers')
  return response
}

const { read } = ReadableStreamDefaultReader.prototype
ReadableStreamDefaultReader.prototype.read = async function (this: ReadableStreamDefaultReader) {
  const result = await read.call(this)
  note('chunk read')
  return result
}

const post = MessagePort.prototype.postMessage
MessagePort.prototype.postMessage = function (this: MessagePort, message: unknown, ...rest: unknown[]) {
  if (message instanceof ArrayBuffer) note('chunk posted')
  Reflect.apply(post, this, [message, ...rest])
}

const onMessage = () => note('call received')
globalThis.addEventListener('message', onMessage)
globalThis.addEventListener('connect', (event) =>
  (event as MessageEvent).ports[0]?.addEventListener('message', onMessage),
)

stages.onmessage = ({ data }: MessageEvent<string>) => {
  if (data === 'begin') noted = {}
  if (data === 'tell') stages.postMessage({ name: self.name, noted })
}
