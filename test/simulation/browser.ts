import { type Client, createClient } from '../../src/client/client.ts'
import { listHosts } from '../../src/connect/hosts.ts'
import type { Grant, Platform, Store } from '../../worker/core/adapter.ts'
import { type BrokerServer, createBrokerServer } from '../../worker/host/broker-server.ts'
import { createWebHost } from '../../worker/host/web.ts'
import type { UserName } from './authorization-server.ts'
import { dispatchTo, ORIGIN, type Scope, setScope } from './globals.ts'
import { API_ORIGIN, type Ledger, type TabFacts } from './ledger.ts'
import { createLocks } from './locks.ts'
import type { Plan } from './plan.ts'
import { connectPorts, createPort, type Port } from './ports.ts'
import type { Scheduler, Thread } from './scheduler.ts'
import type { Story } from './story.ts'

const MAX_TIMER = 2 ** 31 - 1
/** A SharedWorker ends some time after its last page has left, unless another page connects before. */
const LAST_BREATH = 5

export interface Tab extends TabFacts {
  readonly client: Client
  readonly ports: Set<Port>
}

interface WorkerProcess {
  readonly url: string
  readonly thread: Thread
  readonly service: Promise<BrokerServer>
  /** The pages' ends. */
  readonly clients: Set<Port>
}

export interface BrowserOptions {
  readonly plan: Plan
  readonly scheduler: Scheduler
  readonly story: Story
  readonly ledger: Ledger
  readonly grant: Grant
  now(): number
  openStore(thread: Thread): Store
  fetchOf(thread: Thread): (url: string, init: RequestInit) => Promise<Response>
}

interface PortOwner {
  readonly thread: Thread
  readonly ports: Set<Port>
  connections: number
}

/** Tabs and workers with the real code of both, over ports, locks and channels that the seed delays. */
export function createBrowser({ plan, scheduler, story, ledger, grant, now, openStore, fetchOf }: BrowserOptions) {
  const { random, hosts } = plan
  const tabs: Tab[] = []
  const shared = new Map<string, WorkerProcess>()
  const workers = new Set<WorkerProcess>()
  const channels = new Set<{ thread: Thread; name: string; listener?: (event: object) => void }>()
  const latency = () => 0.02 + random.next() * random.next() * 4
  const { locksOf } = createLocks(scheduler, latency)
  const portOptions = {
    scheduler,
    latency,
    inspect(text: string, from: Port, to: Port) {
      ledger.onMessage(text, from.thread.name, to.thread.name)
      if (text.startsWith('{"lingpai":"snapshot","instance"')) ledger.onSnapshotSent(from, text)
    },
  }
  let lastTab = 0
  let lastWorker = 0
  let lastId = 0

  function createThread(name: string, path = '/'): Thread {
    const thread = scheduler.createThread(name)
    const scope: Scope = {
      href: ORIGIN + path,
      locks: plan.hasLocks ? locksOf(thread) : undefined,
      listeners: new Map(),
      openChannel(channelName) {
        if (!plan.hasHints) throw new TypeError('BroadcastChannel is not a constructor')
        const channel: { thread: Thread; name: string; listener?: (event: object) => void } = {
          thread,
          name: channelName,
        }
        channels.add(channel)
        return {
          postMessage: (message: unknown) => broadcast(channelName, message, channel),
          addEventListener(_type: string, listener: (event: object) => void) {
            channel.listener = listener
          },
        }
      },
    }
    setScope(thread, scope)
    return thread
  }

  function broadcast(name: string, message: unknown, from?: { thread: Thread }): void {
    ledger.onMessage(JSON.stringify(message), from?.thread.name ?? 'another script', 'the channel')
    for (const channel of channels) {
      if (channel.name !== name || channel === from) continue
      scheduler.schedule(latency(), channel.thread, () => channel.listener?.({ data: message }))
    }
  }

  function timersOf(thread: Thread): Pick<Platform, 'setTimeout' | 'clearTimeout'> {
    return {
      setTimeout(callback, milliseconds) {
        // A delay that is not a number or exceeds 31 bits becomes 0. Timers are a little late.
        const delay = milliseconds >= 0 && milliseconds <= MAX_TIMER ? milliseconds : 0
        return scheduler.schedule(delay + random.next() * 2, thread, callback)
      },
      clearTimeout(timer) {
        if (timer !== undefined) (timer as { isCancelled: boolean }).isCancelled = true
      },
    }
  }

  function startWorker(url: string, mode: 'shared' | 'dedicated'): WorkerProcess {
    const thread = createThread(`worker ${++lastWorker}`, url)
    story.tell(`${thread.name} is started (${url})`)
    const process: WorkerProcess = {
      url,
      thread,
      clients: new Set(),
      service: new Promise((resolve) =>
        scheduler.schedule(1 + random.next() * 30, thread, () => resolve(createSimulatedServer(thread, mode))),
      ),
    }
    workers.add(process)
    thread.onDeath(() => {
      workers.delete(process)
      if (shared.get(url) === process) shared.delete(url)
      for (const channel of channels) if (channel.thread === thread) channels.delete(channel)
      if (hosts === 'shared, in memory') ledger.addCause('worker lost')
    })
    return process
  }

  function createSimulatedServer(thread: Thread, mode: 'shared' | 'dedicated'): BrokerServer {
    const platform: Platform = {
      ...timersOf(thread),
      now,
      random: random.next,
      createAbort() {
        const controller = new AbortController()
        return { signal: controller.signal, abort: (reason) => controller.abort(reason) }
      },
    }
    const host = createWebHost({ mode, origin: ORIGIN, platform, fetch: fetchOf(thread) })
    return createBrokerServer(
      {
        grant: grant as Grant<never>,
        apis: [{ origin: API_ORIGIN }],
        store: openStore(thread),
        refresh: { onUnknownOutcome: plan.onUnknownOutcome },
      },
      { ...host, createId: () => `id${++lastId}` },
    )
  }

  function attach(process: WorkerProcess, pagePort: Port): void {
    const workerPort = createPort(portOptions, process.thread)
    connectPorts(pagePort, workerPort)
    process.clients.add(pagePort)
    void process.service.then((service) => service.attach(workerPort))
  }

  function openPagePort(tab: PortOwner, process: WorkerProcess, onClose: () => void): Port {
    const port = createPort(portOptions, tab.thread)
    const { close } = port
    tab.ports.add(port)
    tab.connections += 1
    attach(process, port)
    const leave = () => {
      tab.ports.delete(port)
      process.clients.delete(port)
      onClose()
    }
    port.close = () => {
      close()
      leave()
    }
    tab.thread.onDeath(leave)
    return port
  }

  function openShared(tab: PortOwner, url: string): { port: Port } {
    const running = shared.get(url)
    const process = running ?? startWorker(url, 'shared')
    shared.set(url, process)
    const endIfUnused = () => {
      if (process.clients.size > 0 || process.thread.state === 'dead') return
      story.tell(`${process.thread.name} ends: its last page has gone`)
      process.thread.die()
    }
    const port = openPagePort(tab, process, () => scheduler.schedule(LAST_BREATH, undefined, endIfUnused))
    return { port }
  }

  function openDedicated(tab: PortOwner): Port {
    const process = startWorker('dedicated', 'dedicated')
    const terminate = () => process.thread.die()
    return Object.assign(openPagePort(tab, process, terminate), { terminate })
  }

  function openTab(): void {
    const thread = createThread(`tab ${++lastTab}`)
    scheduler.schedule(0, thread, () => load(thread))
  }

  function load(thread: Thread): void {
    const listenable = { addEventListener() {} }
    const part = {
      name: thread.name,
      thread,
      ports: new Set<Port>(),
      past: new Set<number>(),
      shown: { status: 'connecting', session: undefined, user: undefined, reason: undefined },
      connectedAt: 0,
      connections: 0,
    }
    const url = hosts === 'shared, two builds' && thread.name !== 'tab 1' ? '/worker-2.js' : '/worker-1.js'
    const choices = listHosts(
      hosts === 'dedicated'
        ? { dedicated: () => openDedicated(part) as never }
        : { shared: () => ({ ...listenable, ...openShared(part, url) }) as never },
    )
    story.tell(`${thread.name} is opened`)
    const tab: Tab = Object.assign(part, { client: createClient(choices, timersOf(thread)) })
    const listener = () => {
      const { status, user, reason, tokenServer } = tab.client.getSnapshot()
      const session = user?.profile?.session as number | undefined
      const what = [status, session === undefined ? '' : `session ${session}`, tokenServer, reason ?? '']
      story.tell(`${tab.name} is shown: ${what.filter(Boolean).join(', ')}`)
      ledger.onSnapshot(tab, { status, session, user: user?.subject as UserName | undefined, reason })
    }
    // A listener that throws must not keep the change from the others.
    tab.client.subscribe(() => {
      throw new Error('the page has a bug')
    })
    tab.client.subscribe(listener)
    tabs.push(tab)
    thread.onDeath(() => tabs.splice(tabs.indexOf(tab), 1))
  }

  function workersOf(tab: Tab): WorkerProcess[] {
    return [...workers].filter(({ clients }) => [...tab.ports].some((port) => clients.has(port)))
  }

  return {
    tabs: tabs as readonly Tab[],
    openTab,
    broadcast,
    liveWorkers: () => [...workers].filter(({ thread }) => thread.state !== 'dead'),

    killWorker(process: WorkerProcess): void {
      // The page treats a dedicated worker that dies before its first message as slow, and waits for it.
      const isHeard = tabs.some((tab) => tab.shown.status !== 'connecting' && workersOf(tab).includes(process))
      if (hosts === 'dedicated' && !isHeard) return
      story.tell(`${process.thread.name} is killed`)
      ledger.onThreadLost()
      process.thread.die()
    },

    /** As in WebKit: another, empty worker gets the same ports. */
    restartSilently(process: WorkerProcess): void {
      if (hosts === 'dedicated') return
      story.tell(`${process.thread.name} is restarted silently`)
      ledger.onThreadLost()
      const { clients } = process
      process.thread.die()
      const next = startWorker(process.url, 'shared')
      shared.set(process.url, next)
      for (const port of clients) attach(next, port)
    },

    freeze(tab: Tab): void {
      story.tell(`${tab.name} is frozen`)
      ledger.onThreadLost()
      if (hosts === 'dedicated') for (const { thread } of workersOf(tab)) thread.freeze()
      tab.thread.freeze()
    },

    thaw(tab: Tab): void {
      if (tab.thread.state !== 'frozen') return
      story.tell(`${tab.name} is thawed`)
      tab.thread.thaw()
      if (hosts === 'dedicated') for (const { thread } of workersOf(tab)) thread.thaw()
    },

    tellPage(tab: Tab, type: 'pagehide' | 'pageshow', persisted: boolean): void {
      dispatchTo(tab.thread, type, { persisted })
    },

    endTab(tab: Tab): void {
      ledger.onThreadLost()
      tab.thread.die()
    },
  }
}

export type Browser = ReturnType<typeof createBrowser>
