import { wrap } from 'comlink'
import type { AppThreadRequest, AppThreadTable } from '../../src/protocol/app-thread.ts'
import type { CancelSignal } from '../../src/protocol/cancel-signal.ts'
import type { Endpoint } from '../../src/protocol/endpoint.ts'
import { LingpaiError } from '../../src/protocol/errors.ts'
import type { Notice } from '../../src/protocol/notices.ts'
import { decodeThrownErrors } from '../../src/protocol/throw-handler.ts'

/** The app thread's services, as the worker calls them. */
export interface AppThreadProxy extends Omit<AppThreadTable, 'send' | 'login'> {
  send(request: AppThreadRequest, signal: CancelSignal): ReturnType<AppThreadTable['send']>
  login(signal: CancelSignal): Promise<string>
  /** Switches to a new connection of the app thread. Calls in flight on the old one reject with `network_error`. */
  connect(endpoint: Endpoint): void
}

export function createAppThreadProxy(): AppThreadProxy {
  decodeThrownErrors()
  const pending = new Set<(error: unknown) => void>()
  let endpoint: Endpoint | undefined
  // Keep a reference: Comlink closes both directions of a port when its proxy is garbage-collected (comlink#692).
  let remote: AppThreadTable | undefined
  let lastCall = 0

  function call<T>(work: (services: AppThreadTable) => Promise<T>): Promise<T> {
    const services = remote
    if (services === undefined) return Promise.reject(connectionLost())
    return new Promise((resolve, reject) => {
      pending.add(reject)
      work(services)
        .then(resolve, reject)
        .then(() => pending.delete(reject))
    })
  }

  /** Passes an abort on to the app thread, under the id of the call. */
  function callAbortable<T>(
    signal: CancelSignal,
    work: (services: AppThreadTable, id: string) => Promise<T>,
  ): Promise<T> {
    lastCall += 1
    const id = lastCall.toString(36)
    const port = endpoint
    const onAbort = () => port?.postMessage({ lingpai: 'abort', call: id } satisfies Notice)
    signal.addEventListener('abort', onAbort)
    return call((services) => work(services, id)).finally(() => signal.removeEventListener('abort', onAbort))
  }

  return {
    connect(next) {
      const unanswered = [...pending]
      pending.clear()
      endpoint = next
      remote = wrap<AppThreadTable>(next as never) as unknown as AppThreadTable
      for (const reject of unanswered) reject(connectionLost())
    },
    send: (request, signal) => callAbortable(signal, (services, id) => services.send(id, request)),
    sendTask: (order) => call((services) => services.sendTask(order)),
    awaitTask: (name) => call((services) => services.awaitTask(name)),
    load: (key) => call((services) => services.load(key)),
    save: (key, text) => call((services) => services.save(key, text)),
    clear: (key) => call((services) => services.clear(key)),
    login: (signal) => callAbortable(signal, (services, id) => services.login(id)),
  }
}

function connectionLost(): LingpaiError {
  return new LingpaiError('network_error', 'The app reconnected, so the response on the old connection is lost.')
}
