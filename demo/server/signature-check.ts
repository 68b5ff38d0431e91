import { createHash } from 'node:crypto'
import type { JsonObject } from './json.ts'

const timeTolerance = 300_000

/**
 * Judges requests signed by `sortedParams({algorithm: 'md5', secret})`: the parameters sorted by name, the secret at the
 * end, MD5; the time near the server's clock; no nonce twice.
 */
export function createSignatureCheck(secret: string): (parameters: JsonObject) => boolean {
  const nonces = new Set<string>()
  return ({ signature, ...signed }) => {
    const text = Object.keys(signed)
      .sort()
      .filter((name) => signed[name] !== null && signed[name] !== '')
      .map((name) => `${name}=${typeof signed[name] === 'string' ? signed[name] : JSON.stringify(signed[name])}`)
    const expected = createHash('md5')
      .update([...text, `key=${secret}`].join('&'))
      .digest('hex')
    const isInTime = Math.abs(Number(signed.time) - Date.now()) <= timeTolerance
    if (signature !== expected || !isInTime) return false
    if (typeof signed.nonce !== 'string' || signed.nonce === '' || nonces.has(signed.nonce)) return false
    nonces.add(signed.nonce)
    return true
  }
}
