import type { AuthorizationServer } from 'oauth4webapi'
import { LingpaiError } from '../../../src/protocol/errors.ts'
import { isSecure } from '../../core/loopback.ts'

/** The metadata of an authorization server (RFC 8414 §2). What names an endpoint is a URL that {@link isSecure}. */
export interface Metadata extends AuthorizationServer {
  /** What is wrong with an endpoint that was removed. */
  readonly problem?: string | undefined
}

/** A page opens some endpoints, so that a `javascript:` URL would run in the app. Others get tokens (RFC 6749 §3.2). */
export function removeUnsafeEndpoints(metadata: AuthorizationServer): Metadata {
  const server: Record<string, unknown> = { ...metadata, problem: undefined }
  for (const [name, value] of Object.entries(server)) {
    if (!name.endsWith('_endpoint')) continue
    let scheme = 'not an absolute URL'
    try {
      const url = new URL(value as string)
      if (isSecure(url)) continue
      scheme = url.protocol
    } catch {}
    delete server[name]
    // For a member without a value, some servers send null, and some an empty string.
    if (value) server.problem = `its ${name} is ${scheme}, and must be https, except on a loopback host`
  }
  return server as unknown as Metadata
}

/** The error for metadata that lack an endpoint, or had an unsafe one. */
export function unusableMetadata({ issuer, problem }: Metadata, name: string): LingpaiError {
  return new LingpaiError(
    'sign_in_failed',
    `The metadata of ${issuer} cannot be used: ${problem ?? `it has no ${name}`}. Correct them at the provider.`,
  )
}
