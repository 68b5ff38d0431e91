import { createHash, createPublicKey, randomUUID, verify } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { isJsonObject, type JsonObject, parseJson } from '../http/json.ts'

/** Checks the proofs of DPoP tokens as an API does (RFC 9449 §4.3). A test can rotate its nonce and set its clock. */
export interface DpopCheck {
  /** The payloads of all proofs that arrived, also of those that were refused. */
  readonly proofs: readonly JsonObject[]
  readonly nonce: string | undefined
  /** Milliseconds that the API's clock is ahead. */
  clockOffset: number
  rotateNonce(): void
  /** Returns the OAuth error of a request, or undefined if its proof is valid. */
  judge(request: IncomingMessage, token: string, thumbprint: string): string | undefined
}

/** In seconds. */
const maxAge = 60

/** Without `requireNonce`, a proof counts for a minute of the API's clock. */
export function createDpopCheck({ requireNonce = true } = {}): DpopCheck {
  const proofs: JsonObject[] = []
  const seen = new Set<unknown>()
  let nonce = requireNonce ? randomUUID() : undefined

  return {
    proofs,
    clockOffset: 0,
    get nonce() {
      return nonce
    },
    rotateNonce() {
      nonce = randomUUID()
    },
    judge({ headers, method, url = '' }, token, thumbprint) {
      const [header, payload] = openProof(String(headers.dpop))
      if (header === undefined || payload === undefined) return 'invalid_dpop_proof'
      proofs.push(payload)
      const { jti, htm, htu, iat, ath } = payload
      const path = url.replace(/[?#].*/s, '')
      const isFresh = !seen.has(jti)
      seen.add(jti)
      const isRight =
        isFresh &&
        header.typ === 'dpop+jwt' &&
        htm === method &&
        htu === `http://${headers.host}${path}` &&
        ath === digest(token) &&
        thumbprintOf(header.jwk) === thumbprint
      if (!isRight) return 'invalid_dpop_proof'
      if (nonce !== undefined) return payload.nonce === nonce ? undefined : 'use_dpop_nonce'
      return Math.abs(Number(iat) - (Date.now() + this.clockOffset) / 1000) > maxAge ? 'invalid_dpop_proof' : undefined
    },
  }
}

/** Header and payload of a proof whose signature is that of the key it names. */
function openProof(proof: string): readonly [JsonObject?, JsonObject?] {
  const [head = '', body = '', signature = ''] = proof.split('.')
  const [header, payload] = [head, body].map((part) => parseJson(Buffer.from(part, 'base64url').toString()))
  if (!isJsonObject(header) || !isJsonObject(payload) || header.alg !== 'ES256' || !isJsonObject(header.jwk)) return []
  const key = createPublicKey({ key: header.jwk, format: 'jwk' })
  const signed = Buffer.from(`${head}.${body}`)
  const isSigned = verify('sha256', signed, { key, dsaEncoding: 'ieee-p1363' }, Buffer.from(signature, 'base64url'))
  return isSigned ? [header, payload] : []
}

/** RFC 7638. */
function thumbprintOf(jwk: unknown): string {
  const { crv, kty, x, y } = jwk as JsonObject
  return digest(JSON.stringify({ crv, kty, x, y }))
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}
