/**
 * The return type of `serve`. It has no methods: it only carries the type of the sign-in input for `connect<typeof broker>()`.
 */
export interface Broker<SignInInput = unknown> {
  /** Never set. */
  readonly signInInput?: SignInInput
}
