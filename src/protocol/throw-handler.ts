import { type TransferHandler, transferHandlers } from 'comlink'
import { decodeError, encodeError, type WireError } from './errors.ts'

/** The frame with which Comlink, or the guard, answers a call that failed. */
export function errorFrame(id: string, error: unknown): object {
  return { id, type: 'HANDLER', name: 'throw', value: encodeError(error) }
}

/**
 * Makes Comlink send the code and fields of an error, which its own handler drops, and not the worker's stack. Call it before
 * `expose`. It does not run on import: the package has no side effects.
 *
 * @see https://github.com/GoogleChromeLabs/comlink/pull/514
 */
export function encodeThrownErrors(): void {
  changeThrowHandler({ serialize: (thrown) => [encodeError((thrown as { value: unknown }).value), []] })
}

/** The inverse of {@link encodeThrownErrors}, for the calling side. Call it before `wrap`. */
export function decodeThrownErrors(): void {
  changeThrowHandler({
    deserialize: (wire) => {
      throw decodeError(wire as WireError)
    },
  })
}

// Two functions, so that neither bundle contains the other's. Inline, both change the same handler.
function changeThrowHandler(half: Partial<TransferHandler<unknown, unknown>>): void {
  transferHandlers.set('throw', { ...(transferHandlers.get('throw') as TransferHandler<unknown, unknown>), ...half })
}
