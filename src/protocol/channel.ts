import type { Endpoint } from './endpoint.ts'
import { LingpaiError } from './errors.ts'
import { getOwn, isObject } from './records.ts'

/** What both threads talk about: the calls of the app thread, and the services that it does for the worker. */
type Topic = 'calls' | 'services'

/** A message of ours among an app's own. JSON-safe, a plain object at the top: older base libraries carry nothing else. */
interface ChannelMessage {
  readonly lingpai: 'channel'
  /** `open` asks whether the worker listens, `ready` says so; all else belongs to a topic. */
  readonly kind: 'open' | 'ready' | Topic
  /** Which connection of the app thread it belongs to. */
  readonly connection?: string
  /** Which worker it comes from, or goes to: what a lost one has left on the way is dropped. */
  readonly instance?: string
  readonly body?: unknown
}

export interface Channel {
  readonly calls: Endpoint
  readonly services: Endpoint
}

export interface PageChannel extends Channel {
  /** Whether the message was one of lingpai's. */
  handleMessage(message: unknown): boolean
}

/** The app thread's end. What is posted before the worker listens is kept until it does. */
export function createPageChannel(
  post: (message: object) => void,
  connection: string,
  onRestart: () => void,
): PageChannel {
  let instance: string | undefined
  const waiting: ChannelMessage[] = []
  const topics = createTopics((kind, body) => {
    const message: ChannelMessage = { lingpai: 'channel', kind, connection, body }
    if (instance === undefined) waiting.push(message)
    else post({ ...message, instance })
  })

  function onReady(from: string, isAnswer: boolean): void {
    if (instance === from) return
    // A worker that was started anew without a word has lost its memory.
    if (instance !== undefined) onRestart()
    else if (!isAnswer) post({ lingpai: 'channel', kind: 'open', connection })
    else {
      instance = from
      for (const message of waiting.splice(0)) post({ ...message, instance })
    }
  }

  post({ lingpai: 'channel', kind: 'open', connection })
  return {
    calls: topics.calls.endpoint,
    services: topics.services.endpoint,
    handleMessage(given) {
      const message = readMessage(given)
      if (message === undefined) return false
      if (message.kind === 'ready' && message.instance !== undefined)
        onReady(message.instance, message.connection === connection)
      else if (message.connection === connection && message.instance === instance)
        topics.deliver(message.kind, message.body)
      return true
    },
  }
}

/** The worker's end. `onOpen` is told of each new connection of the app thread; an older one's messages are dropped. */
export function createWorkerChannel(
  post: (message: object) => void,
  instance: string,
  onOpen: (channel: Channel) => void,
): { handleMessage(message: unknown): boolean } {
  let current: string | undefined
  let topics: Topics | undefined

  function open(connection: string): void {
    // First of all: what comes before it is from a worker that the app thread does not know yet, and is dropped.
    post({ lingpai: 'channel', kind: 'ready', connection, instance })
    if (connection === current) return
    current = connection
    topics = createTopics((kind, body) => post({ lingpai: 'channel', kind, connection, instance, body }))
    onOpen({ calls: topics.calls.endpoint, services: topics.services.endpoint })
  }

  post({ lingpai: 'channel', kind: 'ready', instance })
  return {
    handleMessage(given) {
      const message = readMessage(given)
      if (message === undefined) return false
      if (message.kind === 'open' && message.connection !== undefined) open(message.connection)
      else if (message.connection === current && message.instance === instance)
        topics?.deliver(message.kind, message.body)
      return true
    },
  }
}

type Topics = ReturnType<typeof createTopics>

function createTopics(post: (topic: Topic, body: unknown) => void) {
  const createTopic = (topic: Topic) => {
    const listeners = new Set<(event: { data: unknown }) => void>()
    const endpoint: Endpoint = {
      postMessage: (body) => post(topic, toJson(body)),
      addEventListener: (_type, listener) => void listeners.add(listener),
      removeEventListener: (_type, listener) => void listeners.delete(listener),
    }
    return { endpoint, listeners }
  }
  const topics = { calls: createTopic('calls'), services: createTopic('services') }
  return {
    ...topics,
    deliver(kind: ChannelMessage['kind'], data: unknown): void {
      if (kind !== 'calls' && kind !== 'services') return
      for (const listener of [...topics[kind].listeners]) listener({ data })
    },
  }
}

/** A copy without `undefined`, which Comlink's messages hold and JSON does not. */
function toJson(body: unknown): unknown {
  try {
    return JSON.parse(JSON.stringify(body))
  } catch (cause) {
    throw new LingpaiError('invalid_call', 'Only plain data can be passed to the other thread.', { cause })
  }
}

/** Whether a message is one of lingpai's, of whatever connection. */
export function isChannelMessage(given: unknown): boolean {
  return readMessage(given) !== undefined
}

/** WeChat's documents have messages arrive as `{message}`, its phones bare; we take both. */
function readMessage(given: unknown): ChannelMessage | undefined {
  if (!isObject(given)) return undefined
  if (getOwn(given, 'lingpai') === 'channel') return given as ChannelMessage
  const inner = getOwn(given, 'message')
  return isObject(inner) && getOwn(inner, 'lingpai') === 'channel' ? (inner as ChannelMessage) : undefined
}
