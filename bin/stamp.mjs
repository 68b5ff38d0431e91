// @ts-check
import { createHash } from 'node:crypto'

const firstLine = /^\/\/ lingpai (\S+), written by "npx lingpai init": sha256 ([0-9a-f]{64})\n/

/**
 * Adds a first line with the version and the hash of the rest to a file's text, so that a later version can detect a change
 * by hand.
 *
 * @param {string} text
 * @param {string} version
 */
export function stamp(text, version) {
  return `// lingpai ${version}, written by "npx lingpai init": sha256 ${hash(text)}\n${text}`
}

/**
 * Reads the first line that {@link stamp} wrote. Undefined if there is none.
 *
 * @param {string} text
 * @returns {{ version: string, isUnchanged: boolean } | undefined}
 */
export function readStamp(text) {
  const normal = normalize(text)
  const match = firstLine.exec(normal)
  if (match === null) return undefined
  const [line, version, expected] = match
  return { version: String(version), isUnchanged: hash(normal.slice(line.length)) === expected }
}

/**
 * Whether two texts are the same except for line endings, which a checkout by Git may change.
 *
 * @param {string} one
 * @param {string} other
 */
export function isSameText(one, other) {
  return normalize(one) === normalize(other)
}

/** @param {string} text */
function hash(text) {
  return createHash('sha256').update(normalize(text)).digest('hex')
}

/** @param {string} text */
function normalize(text) {
  return text.replaceAll('\r\n', '\n')
}
