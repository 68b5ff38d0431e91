/** Longer forms of a token that is shorter than this would be found in ordinary text. */
const MIN_LENGTH = 8

/**
 * The forms in which a server may repeat a token: as it is, percent-escaped, as escaped by a JSON encoder, and in base64 at
 * each of its three offsets. Each is a text of bytes.
 */
export function listPatterns(token: string): readonly string[] {
  // A header holds bytes, so a token has no other characters.
  const raw = token.replace(/[^\0-\xff]/g, '')
  const escapeAll = (characters: RegExp, prefix: string, digits: number) => {
    const lower = raw.replace(characters, (character) => prefix + toHex(character, digits))
    const upper = raw.replace(characters, (character) => prefix + toHex(character, digits).toUpperCase())
    return [lower, upper]
  }
  const withEscapedSlash = (text: string) => text.replaceAll('/', '\\/')
  const texts = [
    raw,
    ...escapeAll(/[^\w.~-]/g, '%', 2),
    ...escapeAll(/[^\w.~-]/g, '\\u', 4),
    // Some JSON encoders leave the slash, or escape it differently.
    ...escapeAll(/[^\w.~/-]/g, '\\u', 4),
    ...[0, 1, 2].map((offset) => toBase64(raw, offset)),
  ]
  const longer = texts.flatMap((text) => [text, withEscapedSlash(text), text.replaceAll('+', '-').replaceAll('/', '_')])
  return [...new Set([token, ...longer.filter(({ length }) => length >= MIN_LENGTH)])]
}

function toHex(character: string, digits: number): string {
  return character.charCodeAt(0).toString(16).padStart(digits, '0')
}

/** The part of the base64 text that does not depend on the bytes before and after the token. */
function toBase64(raw: string, offset: number): string {
  const text = btoa('\0'.repeat(offset) + raw)
  return text.slice(Math.ceil((offset * 8) / 6), Math.floor(((offset + raw.length) * 8) / 6))
}
