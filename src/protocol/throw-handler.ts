import { type TransferHandler, transferHandlers } from 'comlink'
import { decodeError, encodeError, type WireError } from './errors.ts'

/** The error frame that a caller receives; the guard answers with the same one. */
export function errorFrame(id: string, error: unknown): object {
  return { id, type: 'HANDLER', name: 'throw', value: encodeError(error) }
}

/**
 * Makes Comlink keep the code and fields of an error, which its own handler drops, and leave the worker's stack where it is.
 * Called before `expose`, not on import: the package has no side effects.
 *
 * @see https://github.com/GoogleChromeLabs/comlink/pull/514
 */
export function encodeThrownErrors(): void {
  changeThrowHandler({ serialize: (thrown) => [encodeError((thrown as { value: unknown }).value), []] })
}

/** The inverse of {@link encodeThrownErrors}, for the calling side. Called before `wrap`. */
export function decodeThrownErrors(): void {
  changeThrowHandler({
    deserialize: (wire) => {
      throw decodeError(wire as WireError)
    },
  })
}

// Two halves, so that neither thread ships the other's; inline, both end up in one handler.
function changeThrowHandler(half: Partial<TransferHandler<unknown, unknown>>): void {
  transferHandlers.set('throw', { ...(transferHandlers.get('throw') as TransferHandler<unknown, unknown>), ...half })
}
