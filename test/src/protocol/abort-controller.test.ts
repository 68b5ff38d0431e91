import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { AbortController as OwnAbortController } from '../../../src/protocol/abort-controller.ts'

type Step =
  | { readonly do: 'add' | 'remove'; readonly listener: number }
  | { readonly do: 'abort'; readonly reason: unknown }

/** The action of a listener when it is called, by the listener's number. */
type Reaction = { readonly do: 'nothing' } | Step

/** The visible behaviour of a controller after these steps. */
function observe(controller: AbortController | OwnAbortController, steps: readonly Step[], reactions: Reaction[]) {
  const signal = controller.signal as AbortSignal
  const seen: unknown[] = []
  const take = (step: Reaction): void => {
    if (step.do === 'add') signal.addEventListener('abort', listenerOf(step.listener))
    if (step.do === 'remove') signal.removeEventListener('abort', listenerOf(step.listener))
    if (step.do === 'abort') controller.abort(step.reason)
  }
  const listeners = reactions.map((reaction, number) => () => {
    seen.push(['called', number, signal.aborted, describe(signal.reason)])
    take(reaction)
  })
  const listenerOf = (number: number) => listeners[number % listeners.length] as () => void
  for (const step of steps) {
    take(step)
    seen.push([step.do, signal.aborted, describe(signal.reason)])
  }
  return seen
}

/** The platform's error is a DOMException; lingpai's is an Error of the same name. */
function describe(reason: unknown): unknown {
  return (reason as Error | undefined)?.name === 'AbortError' ? 'AbortError' : reason
}

const listener = fc.nat(4)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('add' as const, 'remove' as const), listener }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('abort' as const),
      reason: fc.constantFrom<unknown>(undefined, null, 0, '', 'stop', { exactly: 'this' }),
    }),
  },
)

test('it behaves like the platform after any sequence of steps', () => {
  // Node also calls listeners that are added meanwhile, contrary to the standard.
  const reaction = fc.oneof(
    fc.constant<Reaction>({ do: 'nothing' }),
    step.filter((next) => next.do !== 'add'),
  )
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 20 }),
      fc.array(reaction, { minLength: 5, maxLength: 5 }),
      (steps, reactions) => {
        expect(observe(new OwnAbortController(), steps, reactions)).toEqual(
          observe(new AbortController(), steps, reactions),
        )
      },
    ),
    { numRuns: 2000 },
  )
})

test('a listener that an earlier listener has removed is not called', () => {
  const { signal, abort } = bound(new OwnAbortController())
  const removed = vi.fn()
  signal.addEventListener('abort', () => signal.removeEventListener('abort', removed))
  signal.addEventListener('abort', removed)
  abort()
  expect(removed).not.toHaveBeenCalled()
})

test('a listener that is added while others are called, or later, is not called', () => {
  const { signal, abort } = bound(new OwnAbortController())
  const added = vi.fn()
  signal.addEventListener('abort', () => signal.addEventListener('abort', added))
  abort()
  signal.addEventListener('abort', added)
  abort()
  expect(added).not.toHaveBeenCalled()
})

test('a listener that throws does not keep the others from being called', () => {
  const { signal, abort } = bound(new OwnAbortController())
  const error = new Error("the app's own bug")
  const other = vi.fn()
  signal.addEventListener('abort', () => {
    throw error
  })
  signal.addEventListener('abort', other)
  expect(abort).toThrow(error)
  expect(other).toHaveBeenCalledOnce()
})

test('the reason is kept unchanged, and a second abort does not replace it', () => {
  const reason = { exactly: 'this' }
  const controller = new OwnAbortController()
  controller.abort(reason)
  controller.abort('another')
  expect(controller.signal.reason).toBe(reason)
})

test('the default reason is an error named AbortError', () => {
  const controller = new OwnAbortController()
  expect(controller.signal.reason).toBeUndefined()
  controller.abort()
  expect(controller.signal.reason).toBeInstanceOf(Error)
  expect(controller.signal.reason).toMatchObject({ name: 'AbortError' })
})

test('the signals of two controllers are independent', () => {
  const [one, other] = [new OwnAbortController(), new OwnAbortController()]
  const called = vi.fn()
  other.signal.addEventListener('abort', called)
  one.abort()
  expect(other.signal.aborted).toBe(false)
  expect(called).not.toHaveBeenCalled()
})

function bound(controller: OwnAbortController) {
  return { signal: controller.signal, abort: () => controller.abort() }
}
