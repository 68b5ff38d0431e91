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
  /** Goes on over another connection of the app thread; what was asked over the old one fails. */
  connect(endpoint: Endpoint): void
}

export function createAppThreadProxy(): AppThreadProxy {
  decodeThrownErrors()
  const pending = new Set<(error: unknown) => void>()
  let endpoint: Endpoint | undefined
  // Kept for as long as the connection: Comlink ends both directions of a port whose proxy was collected (comlink#692).
  let remote: AppThreadTable | undefined
  let lastCall = 0

  function ask<T>(work: (services: AppThreadTable) => Promise<T>): Promise<T> {
    const services = remote
    if (services === undefined) return Promise.reject(lost())
    return new Promise((resolve, reject) => {
      pending.add(reject)
      work(services)
        .then(resolve, reject)
        .then(() => pending.delete(reject))
    })
  }

  /** An abort is told to the app thread under the call's name. */
  function askUntil<T>(signal: CancelSignal, work: (services: AppThreadTable, call: string) => Promise<T>): Promise<T> {
    lastCall += 1
    const call = lastCall.toString(36)
    const port = endpoint
    const onAbort = () => port?.postMessage({ lingpai: 'abort', call } satisfies Notice)
    signal.addEventListener('abort', onAbort)
    return ask((services) => work(services, call)).finally(() => signal.removeEventListener('abort', onAbort))
  }

  return {
    connect(next) {
      const orphans = [...pending]
      pending.clear()
      endpoint = next
      remote = wrap<AppThreadTable>(next as never) as unknown as AppThreadTable
      for (const reject of orphans) reject(lost())
    },
    send: (request, signal) => askUntil(signal, (services, call) => services.send(call, request)),
    sendTask: (order) => ask((services) => services.sendTask(order)),
    awaitTask: (name) => ask((services) => services.awaitTask(name)),
    load: (key) => ask((services) => services.load(key)),
    save: (key, text) => ask((services) => services.save(key, text)),
    clear: (key) => ask((services) => services.clear(key)),
    login: (signal) => askUntil(signal, (services, call) => services.login(call)),
  }
}

function lost(): LingpaiError {
  return new LingpaiError('network_error', 'The app has connected anew, so an answer to the old connection is lost.')
}
