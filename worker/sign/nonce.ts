const LENGTH = 32

/** 32 hex digits. A nonce must be new but not secret, since the request shows it. */
export function createNonce(random: () => number): string {
  return Array.from({ length: LENGTH }, () => Math.floor(random() * 16).toString(16)).join('')
}

/** Uniform in [0, 1), from Web Crypto if the host has it. A mini program's worker has only `Math.random`. */
export function randomNumber(): number {
  if (typeof crypto === 'undefined' || typeof crypto.getRandomValues !== 'function') return Math.random()
  const [value] = crypto.getRandomValues(new Uint32Array(1)) as unknown as [number]
  return value / 2 ** 32
}
