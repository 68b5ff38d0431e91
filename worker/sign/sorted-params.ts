import { invalidConfigOf, LingpaiError } from '../../src/protocol/errors.ts'
import { isRecord } from '../../src/protocol/records.ts'
import type { Signer } from '../core/adapter.ts'
import { type HashAlgorithm, hash, hashAlgorithms } from './hash.ts'
import { createNonce, randomNumber } from './nonce.ts'
import { encodeUtf8 } from './utf8.ts'

const invalid = /* @__PURE__ */ invalidConfigOf('sortedParams()')

/** Names of the parameters that {@link sortedParams} adds. */
export interface SignatureFields {
  /** Default `signature`. */
  readonly signature?: string
  /** Default `time`; `false` adds none. */
  readonly timestamp?: string | false
  /** Default `nonce`; `false` adds none. */
  readonly nonce?: string | false
}

/** Options of {@link sortedParams}. */
export interface SortedParamsOptions {
  /** `md5` and `sha256` hash the text with the secret at its end; `hmac-sha256` is keyed with it (RFC 2104). */
  readonly algorithm: HashAlgorithm
  /** Shared with the server. Every user of the app can read it, so the signature does not prove who sent a request. */
  readonly secret: string
  /** The name before the secret: `…&key=<secret>`. `hmac-sha256` does not use it. Default `key`. */
  readonly secretField?: string
  /** Names of the parameters that are added. Default `{signature: 'signature', timestamp: 'time', nonce: 'nonce'}`. */
  readonly fields?: SignatureFields
  /** Parameters that every request gets, such as `{appId: 'wx…'}`; they are signed too. Default none. */
  readonly extra?: Readonly<Record<string, string>>
  /** Case of the signature's hex digits. Default `lower`. */
  readonly output?: 'lower' | 'upper'
  /** Leaves `null` and `''` out of the signed text. They are still sent. Default true. */
  readonly skipEmpty?: boolean
  /** Unit of the timestamp, which is an integer since 1970. Default `ms`. */
  readonly timestampUnit?: 'ms' | 's'
}

/** The clock and randomness of a signer. */
export interface SignerPlatform {
  /** Milliseconds since 1970. */
  now(): number
  /** Uniform in [0, 1). */
  random(): number
}

type Parameter = readonly [name: string, value: unknown]

const DEFAULT_FIELDS: Required<SignatureFields> = { signature: 'signature', timestamp: 'time', nonce: 'nonce' }

/**
 * A signer for APIs that hash a request's sorted parameters: the parameters with a timestamp and a nonce, sorted by name
 * (by UTF-16 code unit), written `name=value` and joined with `&`, hashed as UTF-8; the hash, in hex, is the signature.
 *
 * The parameters are the fields of the request's data. If it has no data, as with every GET, they are those of its query.
 * A string is signed as it is, and every other value as JSON: nested objects keep the order of their fields. The added
 * parameters replace those of the request that have the same name. The path, and the query of a request with data, are not
 * signed.
 *
 * If the data are not an object, the call rejects with LingpaiError `invalid_call`.
 *
 * The second argument is for tests.
 *
 * @throws LingpaiError `invalid_config`
 */
export function sortedParams(
  options: SortedParamsOptions,
  { now, random }: SignerPlatform = { now: () => Date.now(), random: randomNumber },
): Signer {
  checkOptions(options)
  const { algorithm, secret, secretField = 'key', extra = {}, output = 'lower', skipEmpty = true } = options
  const fields = { ...DEFAULT_FIELDS, ...options.fields }
  const unit = options.timestampUnit === 's' ? 1000 : 1

  function createAdditions(): Record<string, unknown> {
    return {
      ...extra,
      ...(fields.timestamp !== false && { [fields.timestamp]: Math.floor(now() / unit) }),
      ...(fields.nonce !== false && { [fields.nonce]: createNonce(random) }),
    }
  }

  function createSignature(parameters: readonly Parameter[]): string {
    const sorted = parameters
      .filter(([name, value]) => name !== fields.signature && !(skipEmpty && isEmpty(value)))
      .sort(([one], [other]) => (one < other ? -1 : one > other ? 1 : 0))
      .map(([name, value]) => `${name}=${toText(value)}`)
    const text = (algorithm === 'hmac-sha256' ? sorted : [...sorted, `${secretField}=${secret}`]).join('&')
    const digits = hash(algorithm, encodeUtf8(text), encodeUtf8(secret))
    return output === 'upper' ? digits.toUpperCase() : digits
  }

  return (request) => {
    const additions = createAdditions()
    if (request.data === undefined || ['GET', 'HEAD'].includes(request.method.toUpperCase())) {
      const url = new URL(request.url)
      for (const [name, value] of Object.entries(additions)) url.searchParams.set(name, toText(value))
      const parameters: Parameter[] = []
      url.searchParams.forEach((value, name) => {
        parameters.push([name, value])
      })
      url.searchParams.set(fields.signature, createSignature(parameters))
      return { ...request, url: url.href }
    }
    const data = { ...toFields(request.data), ...additions }
    return { ...request, data: { ...data, [fields.signature]: createSignature(Object.entries(data)) } }
  }
}

/** The data as the server will read them: JSON leaves out undefined fields, and writes dates as strings. */
function toFields(data: unknown): Record<string, unknown> {
  const sent: unknown = JSON.parse(JSON.stringify(data) ?? 'null')
  if (isRecord(sent)) return sent
  const kind = Array.isArray(sent) ? 'an array' : sent === null ? 'null' : `a ${typeof sent}`
  throw new LingpaiError(
    'invalid_call',
    `sortedParams() signs the fields of an object, but the data of this request are ${kind}. Pass an object.`,
  )
}

function isEmpty(value: unknown): boolean {
  return value === null || value === ''
}

function toText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function checkOptions(options: SortedParamsOptions): void {
  if (!isRecord(options)) throw invalid('pass {algorithm, secret}')
  const { algorithm, secret, secretField, fields, extra, output, skipEmpty, timestampUnit } = options
  if (!hashAlgorithms.includes(algorithm)) throw invalid(`algorithm must be one of ${hashAlgorithms.join(', ')}`)
  if (!isName(secret)) throw invalid('secret must be a string that is not empty')
  if (secretField !== undefined && !isName(secretField)) throw invalid('secretField must be a name')
  if (fields !== undefined && !isRecord(fields)) throw invalid('fields must be an object {signature, timestamp, nonce}')
  const { signature, timestamp, nonce }: Required<SignatureFields> = { ...DEFAULT_FIELDS, ...fields }
  if (!isName(signature)) throw invalid('fields.signature must be a name')
  if (timestamp !== false && !isName(timestamp)) throw invalid('fields.timestamp must be a name, or false')
  if (nonce !== false && !isName(nonce)) throw invalid('fields.nonce must be a name, or false')
  if (extra !== undefined && !(isRecord(extra) && Object.values(extra).every((value) => typeof value === 'string')))
    throw invalid('extra must be an object of strings')
  const names = [...[signature, timestamp, nonce].filter((name) => name !== false), ...Object.keys(extra ?? {})]
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) throw invalid(`two parameters of fields and extra are named ${JSON.stringify(twice)}`)
  if (output !== undefined && !['lower', 'upper'].includes(output)) throw invalid('output must be "lower" or "upper"')
  if (skipEmpty !== undefined && typeof skipEmpty !== 'boolean') throw invalid('skipEmpty must be true or false')
  if (timestampUnit !== undefined && !['ms', 's'].includes(timestampUnit))
    throw invalid('timestampUnit must be "ms" or "s"')
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}
