import { expose } from 'comlink'
import type { Endpoint } from '../../src/protocol/endpoint.ts'
import type { LingpaiErrorLike } from '../../src/protocol/errors.ts'
import { guard } from '../../src/protocol/guard.ts'
import { METHODS } from '../../src/protocol/methods.ts'
import { encodeThrownErrors } from '../../src/protocol/throw-handler.ts'
import { createBroker } from '../core/broker/broker.ts'
import type { BrokerHost } from './broker-host.ts'
import { type ParsedOptions, parseOptions, type ServeOptions } from './options.ts'
import { createPageConnections } from './page-connection.ts'

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
    const parsed = parseOptions(options, host.furtherOption)
    return createWorkingServer(host.prepare?.(parsed) ?? parsed, host, instance)
  } catch (error) {
    console.error(error)
    return createRefusingServer(error as LingpaiErrorLike, host, instance)
  }
}

function createRefusingServer(problem: LingpaiErrorLike, { checks }: BrokerHost, instance: string): BrokerServer {
  const refuse = () => Promise.reject(problem)
  const table = Object.create(null)
  for (const name of Object.keys(METHODS)) table[name] = refuse
  return { attach: (port) => expose(table, guard(port, { checks, instance, onNotice() {} }) as never) }
}

function createWorkingServer(options: ParsedOptions, host: BrokerHost, instance: string): BrokerServer {
  const { sharedName } = options.store
  const broker = createBroker({
    ...host,
    ...options,
    transactions: host.openTransactions(options, instance),
    ...(sharedName !== undefined && host.openPeers && { peers: host.openPeers(sharedName) }),
  })
  const attach = createPageConnections(broker, options, host, instance)
  host.watchNetwork?.(() => broker.resume())
  return { attach }
}
