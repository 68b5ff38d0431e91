import { expose } from 'comlink'
import type { Endpoint } from '../../src/protocol/endpoint.ts'
import type { LingpaiErrorLike } from '../../src/protocol/errors.ts'
import { guard } from '../../src/protocol/guard.ts'
import { METHODS } from '../../src/protocol/methods.ts'
import { encodeThrownErrors } from '../../src/protocol/throw-handler.ts'
import { createBroker } from '../core/broker/broker.ts'
import type { BrokerHost } from './broker-host.ts'
import { type ParsedOptions, parseOptions, type ServeOptions } from './options.ts'
import { type ConnectionContext, connectPage } from './page-connection.ts'

/** A broker that pages can connect to. */
export interface BrokerServer {
  attach(port: Endpoint): void
}

/**
 * Composes the broker and its adapters. If the configuration is wrong, every call of every page rejects with that error: a
 * worker that throws at its start would leave the pages waiting, and its console is hard to find.
 */
export function createBrokerServer(options: ServeOptions<never>, host: BrokerHost): BrokerServer {
  encodeThrownErrors()
  const instance = host.instance ?? host.createId()
  try {
    const parsed = parseOptions(options)
    return createWorkingServer(host.prepare?.(parsed) ?? parsed, host, instance)
  } catch (error) {
    console.error(error)
    return createRefusingServer(error as LingpaiErrorLike, host, instance)
  }
}

function createRefusingServer(problem: LingpaiErrorLike, { checks }: BrokerHost, instance: string): BrokerServer {
  const refuse = () => Promise.reject(problem)
  const table = Object.assign(
    Object.create(null),
    Object.fromEntries(Object.keys(METHODS).map((name) => [name, refuse])),
  )
  return { attach: (port) => expose(table, guard(port, { checks, instance, onNotice() {} }) as never) }
}

function createWorkingServer(options: ParsedOptions, host: BrokerHost, instance: string): BrokerServer {
  const { platform, origin, send, login, transactions, createId } = host
  const { sharedName } = options.store
  const broker = createBroker({
    grant: options.grant,
    store: options.store,
    rules: options.rules,
    platform,
    origin,
    transactions,
    send,
    createId,
    ...(sharedName !== undefined && host.openPeers && { peers: host.openPeers(sharedName) }),
    ...(login && { login }),
  })
  const context: ConnectionContext = {
    broker,
    host,
    options,
    instance,
    createApiMethods: host.createApiMethods(options, broker),
    readLock: host.holdLock?.(instance),
  }
  host.watchNetwork?.(() => broker.resume())
  let pages = 0
  return { attach: (port) => connectPage(context, port, ++pages) }
}
