import { createHash, createHmac } from 'node:crypto'

export interface SignatureRules {
  readonly algorithm: 'md5' | 'sha256' | 'hmac-sha256'
  readonly secret: string
  /** Default `signature`. */
  readonly signatureField?: string
  /** Default `nonce`: must be present, and new in every request. `false`: no check. */
  readonly nonceField?: string | false
  /** Default `time`, in milliseconds. `false`: no check. */
  readonly timeField?: string | false
  /** The maximum difference from the server's clock, in milliseconds. Default 5 minutes. */
  readonly tolerance?: number
  readonly upperCase?: boolean
}

/** Verifies a signed request as a server does, without the signer's code. For `verifySignature` of the legacy API. */
export function createVerifier(rules: SignatureRules): (parameters: Readonly<Record<string, unknown>>) => boolean {
  const {
    algorithm,
    secret,
    signatureField = 'signature',
    nonceField = 'nonce',
    timeField = 'time',
    tolerance = 300_000,
    upperCase = false,
  } = rules
  const nonces = new Set<unknown>()

  return (parameters) => {
    const { [signatureField]: signature, ...signed } = parameters
    let text = ''
    for (const name of Object.keys(signed).sort()) {
      const value = signed[name]
      if (value === null || value === '') continue
      text += `${text === '' ? '' : '&'}${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`
    }
    if (algorithm !== 'hmac-sha256') text += `${text === '' ? '' : '&'}key=${secret}`
    const hash = algorithm === 'hmac-sha256' ? createHmac('sha256', secret) : createHash(algorithm)
    const expected = hash.update(text, 'utf8').digest('hex')
    if (signature !== (upperCase ? expected.toUpperCase() : expected)) return false
    if (timeField !== false && !(Math.abs(Number(signed[timeField]) - Date.now()) <= tolerance)) return false
    if (nonceField === false) return true
    const nonce = signed[nonceField]
    if (typeof nonce !== 'string' || nonce === '' || nonces.has(nonce)) return false
    nonces.add(nonce)
    return true
  }
}
