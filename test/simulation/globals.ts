import type { ThreadLocks } from './locks.ts'
import type { Thread } from './scheduler.ts'

/** What a thread finds in its global scope. */
export interface Scope {
  /** The page's address, or the worker's script. */
  readonly href: string
  readonly locks: ThreadLocks | undefined
  readonly listeners: Map<string, Set<(event: object) => void>>
  openChannel(name: string): object
}

export const ORIGIN = 'https://app.example.com'

const scopes = new WeakMap<Thread, Scope>()
let current: () => Thread | undefined = () => undefined
let chance: (() => number) | undefined

export function setScope(thread: Thread, scope: Scope): void {
  scopes.set(thread, scope)
}

/** Tells a page or a worker of an event of its window. */
export function dispatchTo(thread: Thread, type: string, event: object): void {
  for (const listener of [...(scopes.get(thread)?.listeners.get(type) ?? [])]) listener(event)
}

function currentScope(): Scope | undefined {
  const thread = current()
  return thread && scopes.get(thread)
}

/** Says which thread is running, and what chance is, to the names of {@link installGlobals}. */
export function useGlobals(currentThread: () => Thread | undefined, random: () => number): void {
  current = currentThread
  chance = random
}

/**
 * The names that the library looks up in its global scope, which all threads of a simulation share: each gets those of the
 * thread whose code is running. Once per process: code that uses a global is compiled anew each time that one is replaced.
 * Returns what takes them away again.
 */
export function installGlobals(): () => void {
  const { random } = Math
  Math.random = () => (chance ?? random)()
  const names = {
    location: { get: () => currentScope() && { href: currentScope()?.href, origin: ORIGIN } },
    crypto: { value: { randomUUID: () => Math.random().toString(36).slice(2) } },
    navigator: { get: () => ({ locks: currentScope()?.locks }) },
    BroadcastChannel: {
      value: class {
        constructor(name: string) {
          // biome-ignore lint/correctness/noConstructorReturn: a fake that belongs to its thread
          return currentScope()?.openChannel(name) as never
        }
      },
    },
    addEventListener: {
      value: (type: string, listener: (event: object) => void) => {
        const listeners = currentScope()?.listeners
        listeners?.set(type, (listeners.get(type) ?? new Set()).add(listener))
      },
    },
    removeEventListener: {
      value: (type: string, listener: (event: object) => void) => {
        currentScope()?.listeners.get(type)?.delete(listener)
      },
    },
    // A page without JavaScript errors of its own, but for those that a seed plants.
    console: { value: { ...console, error() {} } },
  }
  const before = new Map(Object.keys(names).map((name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)]))
  for (const [name, descriptor] of Object.entries(names)) {
    Object.defineProperty(globalThis, name, { ...descriptor, configurable: true })
  }
  return () => {
    current = () => undefined
    chance = undefined
    Math.random = random
    for (const [name, descriptor] of before) {
      if (descriptor) Object.defineProperty(globalThis, name, descriptor)
      else Reflect.deleteProperty(globalThis, name)
    }
  }
}
