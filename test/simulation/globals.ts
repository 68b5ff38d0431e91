import type { ThreadLocks } from './locks.ts'
import type { Thread } from './scheduler.ts'

/** The globals of a thread. */
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

/** Dispatches an event to the global scope of a page or a worker. */
export function dispatchTo(thread: Thread, type: string, event: object): void {
  for (const listener of [...(scopes.get(thread)?.listeners.get(type) ?? [])]) listener(event)
}

function currentScope(): Scope | undefined {
  const thread = current()
  return thread && scopes.get(thread)
}

/** Sets the running thread and the randomness for the globals of {@link installGlobals}. */
export function useGlobals(currentThread: () => Thread | undefined, random: () => number): void {
  current = currentThread
  chance = random
}

/**
 * Installs the globals that the library uses. All threads of a simulation share one global scope, so each global returns the
 * value of the running thread. Call it once per process: code that uses a replaced global is compiled again.
 * Returns a function that removes them.
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
          // biome-ignore lint/correctness/noConstructorReturn: a fake for one thread
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
    // The page has no JavaScript errors, except those that a seed plants.
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
