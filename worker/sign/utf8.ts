/** UTF-8 as `TextEncoder` writes it (Encoding Standard §4.3): a mini program's worker does not have `TextEncoder`. */
export function encodeUtf8(text: string): Uint8Array {
  const bytes: number[] = []
  for (let index = 0; index < text.length; index++) {
    const codePoint = text.codePointAt(index) as number
    if (codePoint > 0xffff) index++
    // Half of a surrogate pair is not a character (Infra Standard, "scalar value string").
    append(bytes, codePoint >= 0xd800 && codePoint <= 0xdfff ? 0xfffd : codePoint)
  }
  return Uint8Array.from(bytes)
}

function append(bytes: number[], codePoint: number): void {
  if (codePoint < 0x80) bytes.push(codePoint)
  else if (codePoint < 0x800) bytes.push(0xc0 | (codePoint >> 6), continuation(codePoint))
  else if (codePoint < 0x10000) {
    bytes.push(0xe0 | (codePoint >> 12), continuation(codePoint >> 6), continuation(codePoint))
  } else {
    bytes.push(
      0xf0 | (codePoint >> 18),
      continuation(codePoint >> 12),
      continuation(codePoint >> 6),
      continuation(codePoint),
    )
  }
}

function continuation(bits: number): number {
  return 0x80 | (bits & 0x3f)
}
