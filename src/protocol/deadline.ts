/** How long a wait for a token, a control call or `session.request` may take by default, in milliseconds. */
export const DEFAULT_TIMEOUT = 30_000
