const period = 251

/** Byte number `index` is `index % 251`: a prime, so that a shifted or swapped chunk is detected. */
export function downloadBytes(start: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length)
  for (let offset = 0; offset < length; offset += 1) bytes[offset] = (start + offset) % period
  return bytes
}
