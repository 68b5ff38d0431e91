import type { Endpoint } from './endpoint.ts'
import { LingpaiError } from './errors.ts'
import { getOwn, isObject } from './records.ts'

/** The two directions of calls: from the app thread to the worker, and from the worker to the app thread's services. */
type Topic = 'calls' | 'services'

/** Shares a worker with the app's own messages. A plain JSON object, since older base libraries carry nothing else. */
interface ChannelMessage {
  readonly lingpai: 'channel'
  /** `open` asks whether the worker listens; `ready` is the answer. Any other kind is a topic. */
  readonly kind: 'open' | 'ready' | Topic
  /** Id of the app thread's connection. */
  readonly connection?: string
  /** Id of the worker that sends or receives it. Messages of a lost worker that arrive late are dropped. */
  readonly instance?: string
  readonly body?: unknown
}

export interface Channel {
  readonly calls: Endpoint
  readonly services: Endpoint
}

export interface PageChannel extends Channel {
  /** Returns whether the message was one of lingpai's. */
  handleMessage(message: unknown): boolean
}

/** The app thread's end. Messages that are posted before the worker listens are kept until it does. */
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
    // Another worker has replaced the first without notice, and knows nothing of its calls.
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

/** The worker's end. Calls `onOpen` for each new connection of the app thread; messages of earlier connections are dropped. */
export function createWorkerChannel(
  post: (message: object) => void,
  instance: string,
  onOpen: (channel: Channel) => void,
): { handleMessage(message: unknown): boolean } {
  let current: string | undefined
  let topics: Topics | undefined

  function open(connection: string): void {
    // Must be sent first: the app thread drops messages of a worker that has not said `ready`.
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

/** Copies a body without `undefined`: Comlink's messages contain it, JSON does not. */
function toJson(body: unknown): unknown {
  try {
    return JSON.parse(JSON.stringify(body))
  } catch (cause) {
    throw new LingpaiError('invalid_call', 'Only plain data can be sent to the other thread.', { cause })
  }
}

/** Whether a message is one of lingpai's, of any connection. */
export function isChannelMessage(given: unknown): boolean {
  return readMessage(given) !== undefined
}

/** WeChat's documents wrap a received message as `{message}`; phones deliver it bare. Both are accepted. */
function readMessage(given: unknown): ChannelMessage | undefined {
  if (!isObject(given)) return undefined
  if (getOwn(given, 'lingpai') === 'channel') return given as ChannelMessage
  const inner = getOwn(given, 'message')
  return isObject(inner) && getOwn(inner, 'lingpai') === 'channel' ? (inner as ChannelMessage) : undefined
}
