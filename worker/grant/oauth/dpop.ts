import { LingpaiError } from '../../../src/protocol/errors.ts'
import type { Grant, GrantIO, GrantResponse, ProvenAnswer, ReceivedTokens, TokenSet } from '../../core/adapter.ts'
import { failed, refused, rejected } from '../../core/verdict.ts'

/** Options of {@link dpop}. */
export interface DpopOptions {
  /** Whether a sign-in fails if the provider issues a Bearer token. Default false: such a session has no proofs. */
  readonly required?: boolean
}

/** Made by {@link dpop}, for the option `dpop` of `oauth()`. */
export interface Dpop {
  /**
   * Begins a request for tokens. Without previous tokens, a new key is made: a key that a script put into the store before
   * the sign-in is never used. Undefined if the previous tokens are Bearer tokens.
   */
  begin(io: GrantIO, previous?: TokenSet): Promise<BoundRequest | undefined>
  readonly prove: NonNullable<Grant['prove']>
}

export interface BoundRequest {
  /** Sends each request with a proof. */
  readonly io: GrantIO
  /** Adds the key to the tokens that are bound to it. Throws if they are Bearer tokens, and must not be. */
  bind(received: ReceivedTokens): ReceivedTokens
}

/** What is known of one server. */
interface Server {
  nonce?: string
  /** Its clock minus the clock of this device, in milliseconds. */
  offset: number
}

/** The private key cannot be exported. */
type Key = Pick<CryptoKeyPair, 'privateKey' | 'publicKey'>

interface ProvenRequest {
  readonly url: string
  readonly method: string
  readonly accessToken?: string
  readonly body?: unknown
}

const NONCE = 'use_dpop_nonce'
const PROOF = 'invalid_dpop_proof'

/**
 * Binds the tokens of `oauth()` to a key of this worker (RFC 9449): a stolen token is useless without the key, and no script
 * can read the bytes of the key. Each request to the token endpoint and to an API carries a proof of its own.
 */
export function dpop({ required = false }: DpopOptions = {}, now: () => number = () => Date.now()): Dpop {
  const servers = new Map<string, Server>()

  /** Sends a request, and again after a refused proof: once with the server's nonce, and once by the server's clock. */
  async function send<Answer>(
    key: Key,
    request: ProvenRequest,
    attempt: (proof: [string, string]) => Promise<Answer>,
    read: (answer: Answer) => { readonly problem: string | undefined; header(name: string): string | null | undefined },
    discard: (answer: Answer) => void = () => {},
  ): Promise<{ readonly answer: Answer; readonly problem: string | undefined }> {
    const { origin } = new URL(request.url)
    const server = servers.get(origin) ?? { offset: 0 }
    servers.set(origin, server)
    const repeated: string[] = []
    for (;;) {
      const answer = await attempt(['DPoP', await createProof(key, request, server, now() + server.offset)])
      const { problem, header } = read(answer)
      const nonce = header('dpop-nonce')
      if (nonce) server.nonce = nonce
      if (problem === undefined) return { answer, problem }
      const time = Date.parse(header('date') ?? '')
      const isCurable = problem === NONCE ? Boolean(nonce) : !Number.isNaN(time)
      // A stream can be read only once.
      if (!isCurable || request.body instanceof ReadableStream || repeated.includes(problem)) return { answer, problem }
      if (problem === PROOF) server.offset = time - now()
      repeated.push(problem)
      discard(answer)
    }
  }

  return {
    async begin(io, previous) {
      const key = previous ? previous.key : await createKey()
      if (!isKey(key)) {
        // Without its key, a bound refresh token is of no use. The user signs in again, with a new key.
        if (previous?.tokenType === 'DPoP') throw rejected('dpop_key_lost')
        if (required) throw rejected('dpop_required')
        return undefined
      }
      return {
        io: {
          ...io,
          async send(request) {
            const proven = { url: request.url, method: request.method ?? 'POST' }
            const { answer, problem } = await send(
              key,
              proven,
              ([name, proof]) => io.send({ ...request, headers: { ...request.headers, [name]: proof } }),
              (response) => ({ problem: problemIn(response), header: (name) => response.headers[name] }),
            )
            // The server has refused the proof only: the refresh token is not spent.
            if (problem === PROOF) throw previous ? failed('clock') : signInRefused()
            if (problem === NONCE && previous) throw refused({ reason: problem })
            return answer
          },
        },
        bind(received) {
          if (received.tokenType?.toLowerCase() === 'dpop') {
            return { ...received, tokenType: 'DPoP', key } as ReceivedTokens
          }
          if (previous) throw failed('token_type_changed')
          if (required) throw bearerIssued()
          return received
        },
      }
    },

    async prove({ key, accessToken }, request, attempt) {
      // Bearer tokens, or the key is lost: the API's 401 then leads to a refresh, which ends the session.
      if (!isKey(key)) return attempt()
      const { answer, problem } = await send(
        key,
        { ...request, accessToken },
        attempt,
        ({ headers }) => ({
          problem: /\berror="?(use_dpop_nonce|invalid_dpop_proof)\b/.exec(headers.get('www-authenticate') ?? '')?.[1],
          header: (name) => headers.get(name),
        }),
        discard,
      )
      if (problem === undefined) return answer
      discard(answer)
      throw proofRefused(answer.status, problem)
    },
  }
}

function discard({ body }: ProvenAnswer): void {
  body?.cancel().catch(() => {})
}

function problemIn({ status, body }: GrantResponse): string | undefined {
  if (status !== 400 && status !== 401) return undefined
  try {
    const { error } = JSON.parse(body)
    return error === NONCE || error === PROOF ? error : undefined
  } catch {
    return undefined
  }
}

function createKey(): Promise<Key> {
  return crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign', 'verify'])
}

/** A store of another script may hold anything. A key that can be exported is not one that this worker made. */
function isKey(key: unknown): key is Key {
  const { privateKey, publicKey } = (key ?? {}) as Partial<Key>
  if (!(privateKey instanceof CryptoKey) || !(publicKey instanceof CryptoKey)) return false
  const isOfCurve = [privateKey, publicKey].every(
    ({ algorithm }) =>
      (algorithm as KeyAlgorithm & { namedCurve?: string }).namedCurve === 'P-256' && algorithm.name === 'ECDSA',
  )
  return isOfCurve && !privateKey.extractable && privateKey.usages.includes('sign')
}

/** RFC 9449 §4.2. `time` is that of the server. */
async function createProof(
  { privateKey, publicKey }: Key,
  { url, method, accessToken }: ProvenRequest,
  { nonce }: Server,
  time: number,
): Promise<string> {
  const { origin, pathname } = new URL(url)
  const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', publicKey)
  const payload = {
    jti: toBase64Url(crypto.getRandomValues(new Uint8Array(16))),
    htm: toMethod(method),
    htu: origin + pathname,
    iat: Math.floor(time / 1000),
    nonce,
    ath: accessToken && toBase64Url(await crypto.subtle.digest('SHA-256', toBytes(accessToken))),
  }
  // JSON.stringify leaves out members that are undefined.
  const parts = [{ typ: 'dpop+jwt', alg: 'ES256', jwk: { kty, crv, x, y } }, payload]
  const text = parts.map((part) => toBase64Url(toBytes(JSON.stringify(part)))).join('.')
  const signature = await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, privateKey, toBytes(text))
  return `${text}.${toBase64Url(signature)}`
}

/** The method as `fetch` sends it: only these change to upper case (Fetch §2.2.1, "normalize a method"). */
function toMethod(method: string): string {
  return /^(delete|get|head|options|post|put)$/i.test(method) ? method.toUpperCase() : method
}

function toBytes(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text)
}

function toBase64Url(bytes: ArrayBuffer | Uint8Array): string {
  const binary = String.fromCharCode(...new Uint8Array(bytes))
  return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

function signInRefused(): LingpaiError {
  return new LingpaiError(
    'sign_in_failed',
    'The provider refused the DPoP proof: the clock of this device may be wrong. Set the clock, and sign in again. ' +
      'The provider must expose the header Date (CORS) if the worker is to correct the time.',
    { apiCode: PROOF },
  )
}

function bearerIssued(): LingpaiError {
  return new LingpaiError(
    'sign_in_failed',
    'The provider issued a Bearer token, but dpop({required: true}) accepts only DPoP tokens. Turn on DPoP for this client at the provider.',
  )
}

function proofRefused(status: number, problem: string): LingpaiError {
  const why =
    problem === PROOF
      ? 'the clock of this device may be wrong. Set the clock, and try again'
      : 'it wants another nonce. Try again, and check that it exposes DPoP-Nonce (CORS)'
  return new LingpaiError('api_error', `The API refused the DPoP proof of the request: ${why}.`, {
    status,
    apiCode: problem,
  })
}
