import { transferHandlers } from 'comlink'
import { decodeError, encodeError, type WireError } from './errors.ts'

/** The error frame that a caller receives; the guard answers with the same one. */
export function errorFrame(id: string, error: unknown): object {
  return { id, type: 'HANDLER', name: 'throw', value: encodeError(error) }
}

/**
 * Makes Comlink keep the code and fields of an error, which its own handler drops, and leave the worker's stack where it is.
 * Called before `wrap` and `expose`, not on import: the package has no side effects.
 *
 * @see https://github.com/GoogleChromeLabs/comlink/pull/514
 */
export function installThrowHandler(): void {
  const original = transferHandlers.get('throw')
  if (original === undefined) return
  transferHandlers.set('throw', {
    canHandle: original.canHandle,
    serialize: (thrown) => [encodeError((thrown as { value: unknown }).value), []],
    deserialize: (wire) => {
      throw decodeError(wire as WireError)
    },
  })
}
