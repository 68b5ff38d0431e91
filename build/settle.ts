/** `promise.finally(callback)` (ECMA-262 §27.2.5.3), which iOS 11.0 lacks; the mini program build calls it instead. */
export function settle<T>(promise: PromiseLike<T>, callback: () => unknown): PromiseLike<T> {
  return promise.then(
    (value) => Promise.resolve(callback()).then(() => value),
    (reason: unknown) =>
      Promise.resolve(callback()).then(() => {
        throw reason
      }),
  )
}
