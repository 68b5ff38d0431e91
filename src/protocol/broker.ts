/**
 * What `serve` returns: nothing to call, only the type of the sign-in's input, for `connect<typeof broker>()`.
 */
export interface Broker<SignInInput = unknown> {
  /** Never set; it only carries the type. */
  readonly signInInput?: SignInInput
}
