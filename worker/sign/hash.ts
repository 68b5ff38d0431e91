import { hmac } from '@noble/hashes/hmac.js'
import { md5 } from '@noble/hashes/legacy.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex } from '@noble/hashes/utils.js'

export type HashAlgorithm = 'md5' | 'sha256' | 'hmac-sha256'

// Not Web Crypto: it has no MD5, and a mini program's worker does not have it.
const hashes: Readonly<Record<HashAlgorithm, (message: Uint8Array, key: Uint8Array) => Uint8Array>> = {
  md5: (message) => md5(message),
  sha256: (message) => sha256(message),
  'hmac-sha256': (message, key) => hmac(sha256, key, message),
}

export const hashAlgorithms: readonly string[] = Object.keys(hashes)

/** The hash in lower case hex. Only HMAC uses the key. */
export function hash(algorithm: HashAlgorithm, message: Uint8Array, key: Uint8Array): string {
  return bytesToHex(hashes[algorithm](message, key))
}
