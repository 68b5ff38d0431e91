import { expose } from 'comlink'
import { invalid } from '../../src/protocol/checks.ts'
import type { Endpoint } from '../../src/protocol/endpoint.ts'
import { LingpaiError } from '../../src/protocol/errors.ts'
import { guard } from '../../src/protocol/guard.ts'
import { BUILD, OLDEST_PROTOCOL_VERSION, PROTOCOL_VERSION, type Welcome } from '../../src/protocol/handshake.ts'
import type { HistoryEntry } from '../../src/protocol/history.ts'
import { DOUBT } from '../../src/protocol/life-lock.ts'
import type { ControlTable } from '../../src/protocol/methods.ts'
import { mismatch } from '../../src/protocol/mismatch.ts'
import type { HistoryRecord } from '../core/adapter.ts'
import type { SessionBroker } from '../core/broker/broker.ts'
import { traceCall } from '../core/broker/call-trace.ts'
import type { BrokerHost, RunAbortable } from './broker-host.ts'
import { isAppPath } from './checks.ts'
import type { ParsedOptions } from './options.ts'
import { createPagePorts } from './page-ports.ts'

/**
 * Connects pages to the broker. Each page has its calls, the bodies still on their way to it, and the lock that shows that it
 * lives.
 */
export function createPageConnections(
  broker: SessionBroker,
  options: ParsedOptions,
  host: BrokerHost,
  instance: string,
): (port: Endpoint) => void {
  const ports = createPagePorts(host.findOwner)
  const createApiMethods = host.createApiMethods(options, broker, ({ id }) => ports.ownerOf(Number.parseInt(id, 10)))
  const readLock = host.holdLock?.(instance)
  const checkPolicy = host.watchPolicy?.(() => broker.record({ event: 'policy-missing' }))
  let pages = 0

  function describeSession(): Pick<Welcome, 'snapshot' | 'caller'> {
    const { snapshot, caller } = broker.view()
    const remark = snapshot.reason === undefined ? host.remark(options, snapshot) : undefined
    return { snapshot: remark === undefined ? snapshot : { ...snapshot, reason: remark }, ...(caller && { caller }) }
  }

  return (port) => {
    const page = ++pages
    const calls = new Map<string, AbortController>()
    const lasting = new Set<string>()
    /** Stops a body that is on its way to the page, by the id of its call. */
    const bodies = new Map<string, () => void>()
    let hasSaidHello = false
    let isConnected = false
    let hasLeft = false
    let lockWatch = new AbortController()
    const endpoint = guard(port, {
      checks: host.checks,
      instance,
      onNotice(notice) {
        if (notice.lingpai === 'abort') {
          calls.get(notice.call)?.abort()
          // The call may have been answered already: the page drops the answer.
          bodies.get(notice.call)?.()
        }
        if (notice.lingpai === 'resumed') broker.resume()
        if (notice.lingpai === 'goodbye') leave()
      },
    })

    /** Releases everything that the page had in this worker. */
    function leave(): void {
      if (hasLeft) return
      hasLeft = true
      lockWatch.abort()
      ports.remove(page)
      if (isConnected) broker.record({ event: 'page-left', page })
      unsubscribe()
      for (const [id, controller] of calls) if (!lasting.has(id)) controller.abort()
      for (const stop of bodies.values()) stop()
      port.close?.()
    }

    /** If the page still lives, it must not wait for answers that will not come. */
    function close(): void {
      endpoint.notify({ lingpai: 'goodbye' })
      leave()
    }

    /** Called at each hello: a live page whose lock was stolen says hello again, with another lock. */
    function watchLock(name: string | undefined): void {
      lockWatch.abort()
      lockWatch = new AbortController()
      const { signal } = lockWatch
      if (name !== undefined && !hasLeft) host.awaitLock?.(name, signal, () => awaitHello(signal, DOUBT.times))
    }

    function awaitHello(signal: AbortSignal, times: number): void {
      host.platform.setTimeout(() => {
        if (signal.aborted) return
        if (times > 1) return awaitHello(signal, times - 1)
        close()
      }, DOUBT.interval)
    }

    let unsubscribe = () => {}
    ports.add(page, close)
    host.watchPort?.(port, leave)

    /** Each page chooses its own ids, so the broker gets them with the number of the page in front. */
    const runAbortable: RunAbortable = async (id, work, { isLasting = false, caller } = {}) => {
      if (calls.has(id)) throw invalid('its id is in use')
      const controller = new AbortController()
      calls.set(id, controller)
      if (isLasting) lasting.add(id)
      const registerBody = (stop: () => void) => {
        bodies.set(id, stop)
        return () => bodies.delete(id)
      }
      try {
        const call = await broker.openCall(`${page}.${id}`, controller.signal, caller)
        return await work(call, controller.signal, registerBody)
      } finally {
        calls.delete(id)
        lasting.delete(id)
      }
    }

    const control: ControlTable = {
      async hello(hello) {
        if (hello.newest < OLDEST_PROTOCOL_VERSION || hello.oldest > PROTOCOL_VERSION) {
          throw mismatch(hello, { oldest: OLDEST_PROTOCOL_VERSION, newest: PROTOCOL_VERSION, build: BUILD })
        }
        hasSaidHello = true
        ports.prove(page, hello.lock)
        watchLock(hello.lock)
        const [lock] = await Promise.all([readLock?.(), broker.ready])
        broker.checkStore()
        if (!isConnected && !hasLeft) {
          isConnected = true
          broker.record({ event: 'page-connected', page })
          unsubscribe = broker.subscribe(() => endpoint.notify({ lingpai: 'snapshot', instance, ...describeSession() }))
        }
        const welcome: Welcome = {
          protocol: Math.min(hello.newest, PROTOCOL_VERSION),
          instance,
          build: BUILD,
          ...describeSession(),
          apis: options.apis.map(host.describeApi),
          ...(lock !== undefined && { lock }),
        }
        return welcome
      },
      ping: async () => readLock?.(),
      signIn: (id, input) => runAbortable(id, (_call, signal) => broker.signIn(input, signal)),
      authorize: (id, input) => runAbortable(id, (_call, signal) => broker.beginSignIn(input, signal)),
      callback: (id, url) =>
        runAbortable(id, async (_call, signal) => {
          const { returnTo } = await broker.completeSignIn(url, readState(url), signal)
          // A script of the origin can change a stored transaction.
          return isAppPath(returnTo) ? { returnTo } : {}
        }),
      signOut: (everywhere) => broker.signOut(everywhere),
      async adopt(tokens) {
        if (options.adopt) return broker.adopt(tokens)
        throw new LingpaiError('invalid_call', 'The worker takes tokens from pages only with serve({adopt: true}).')
      },
      getAccessToken: (id, caller) =>
        runAbortable(
          id,
          async (call) => {
            if (options.exposeAccessToken) {
              broker.record({ event: 'call-received', call: call.id })
              return traceCall(broker, call, async () => (await broker.authorize(call)).tokens.accessToken)
            }
            throw new LingpaiError(
              'token_not_exposed',
              'Pages get the access token only with serve({exposeAccessToken: true}). Use session.fetch or session.request.',
            )
          },
          { caller },
        ),
      async explain({ after } = {}) {
        await checkPolicy?.()
        return broker.explain(after).map((entry) => toHistoryEntry(entry, instance, page))
      },
    }

    const table = Object.assign(Object.create(null), control, createApiMethods(runAbortable))
    for (const [name, method] of Object.entries(table) as [string, (...given: unknown[]) => Promise<unknown>][]) {
      if (name === 'hello') continue
      // Any script can open a port. One that is not a page of lingpai gets nothing.
      table[name] = (...given: unknown[]) =>
        hasSaidHello ? method(...given) : Promise.reject(invalid('its page has not said hello'))
    }
    expose(Object.freeze(table), endpoint as never)
  }
}

/** The id of a call begins with the number of its page. */
function toHistoryEntry(entry: HistoryRecord, instance: string, reader: number): HistoryEntry {
  if (!('call' in entry || 'page' in entry)) return { ...entry, instance }
  const page = 'page' in entry ? entry.page : Number.parseInt(entry.call, 10)
  return { ...entry, instance, page, ...(page === reader && { own: true }) } as HistoryEntry
}

function readState(url: string): string | undefined {
  try {
    return new URL(url).searchParams.get('state') ?? undefined
  } catch {
    throw new LingpaiError('invalid_call', 'completeSignIn takes location.href.')
  }
}
