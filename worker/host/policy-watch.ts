import { isLoopbackHost } from '../core/loopback.ts'

/**
 * Checks once whether this worker has a Content Security Policy that limits its connections: on the developer's machine at
 * once, elsewhere when the returned function is called. A list of servers refuses `data:`, and a connection to it sends
 * nothing. A worker cannot read its own policy.
 *
 * @see https://www.w3.org/TR/CSP3/#directive-connect-src
 */
export function watchPolicy(
  fetch: (url: string) => Promise<unknown>,
  origin: string,
  onMissing: () => void,
): () => Promise<void> {
  const isDevelopment = isLoopbackHost(new URL(origin).hostname)
  const check = async () => {
    try {
      await fetch('data:,')
    } catch {
      return
    }
    onMissing()
    if (isDevelopment) console.warn('lingpai: this worker has no Content Security Policy. See docs/hardening.md.')
  }
  let checking = isDevelopment ? check() : undefined
  return () => (checking ??= check())
}
