import {
  allowInsecureRequests,
  type Client,
  clockTolerance,
  customFetch,
  discoveryRequest,
  processDiscoveryResponse,
} from 'oauth4webapi'
import { NULL_BODY_STATUSES } from '../../../src/protocol/http.ts'
import type { GrantIO } from '../../core/adapter.ts'
import { type Metadata, removeUnsafeEndpoints, unusableMetadata } from './endpoints.ts'
import type { OAuthOptions } from './options.ts'

/**
 * How far the device's clock may be from that of the server, in seconds. A user who sets the time by hand, but not the time
 * zone, is wrong by some hours: UTC and the zones of most users differ by at most 12. A longer tolerance would accept an ID
 * token that expired the day before. The server's own time is not known, because CORS hides the header `Date`.
 *
 * A few minutes would keep such users from signing in, and protect no more: this worker made the nonce at most ten minutes
 * ago, and the ID token comes from the token endpoint over TLS.
 */
const CLOCK_TOLERANCE = 12 * 3600

/** The authorization server of one {@link oauth} grant, and the app as its client. */
export type Provider = ReturnType<typeof createProvider>

export function createProvider(options: OAuthOptions) {
  const client: Client = { client_id: options?.clientId, [clockTolerance]: CLOCK_TOLERANCE }
  let metadata: Promise<Metadata> | undefined

  /** The options of an oauth4webapi call that make it send its request by the host's transport. */
  function http(io: GrantIO, isReadOnly = false) {
    return {
      // The issuer and its endpoints are checked: if one has http, its host is this machine.
      [allowInsecureRequests]: true,
      [customFetch]: async (
        url: string,
        { method, headers, body }: { method: string; headers: Record<string, string>; body?: unknown },
      ) => {
        const response = await io.send({
          url,
          method,
          headers,
          isReadOnly,
          ...(body !== undefined && { body: String(body) }),
        })
        // If there is a challenge, oauth4webapi reads nothing else, and the error in the body is lost.
        const { 'www-authenticate': _challenge, ...readable } = response.headers
        return new Response(NULL_BODY_STATUSES.includes(response.status) ? null : response.body, {
          status: response.status,
          headers: readable,
        })
      },
    }
  }

  async function fetchMetadata(io: GrantIO): Promise<Metadata> {
    const issuer = new URL(options.issuer)
    const response = await discoveryRequest(issuer, http(io, true))
    const server = removeUnsafeEndpoints(await processDiscoveryResponse(issuer, response))
    if (server.token_endpoint === undefined) throw unusableMetadata(server, 'token_endpoint')
    // If metadata that lack an endpoint were kept, calls would fail until the worker ends (I12).
    if (server.problem !== undefined) metadata = undefined
    return server
  }

  return {
    options,
    client,
    http,

    /**
     * Reads the metadata once. A caller that waits for another caller's request does not fail with it: it sends its own
     * (I8).
     */
    async discover(io: GrantIO): Promise<Metadata> {
      const shared = metadata
      if (shared) {
        const server = await shared.catch(() => undefined)
        if (server) return server
      }
      if (metadata === shared) metadata = fetchMetadata(io)
      return metadata as Promise<Metadata>
    },
  }
}
