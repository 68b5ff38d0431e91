export interface Hold {
  /** Resolves when the first request is being held. */
  readonly arrived: Promise<void>
  release(): void
}

export interface HoldPoint {
  hold(): Hold
  releaseAll(): void
  /** Waits until all holds from before its arrival are released. */
  pass(): Promise<void>
}

interface OpenHold {
  readonly released: Promise<void>
  arrive(): void
  release(): void
}

export function createHoldPoint(): HoldPoint {
  const holds = new Set<OpenHold>()
  return {
    hold() {
      const arrival = signal()
      const end = signal()
      const open: OpenHold = {
        released: end.promise,
        arrive: arrival.send,
        release() {
          holds.delete(open)
          end.send()
        },
      }
      holds.add(open)
      return { arrived: arrival.promise, release: open.release }
    },
    releaseAll() {
      for (const open of [...holds]) open.release()
    },
    async pass() {
      const waiting = [...holds]
      for (const open of waiting) open.arrive()
      await Promise.all(waiting.map((open) => open.released))
    },
  }
}

function signal(): { readonly promise: Promise<void>; send(): void } {
  let send = (): void => {}
  const promise = new Promise<void>((resolve) => {
    send = resolve
  })
  return { promise, send: () => send() }
}
