import fc from 'fast-check'
import { expect, test } from 'vitest'
import { URL as StrictUrl } from '../../../src/protocol/strict-url.ts'
import { findCheckedApi } from '../../../worker/host/path-prefix.ts'

const origin = 'https://api.example.com'
const apis = [
  { origin, pathPrefix: '/v2' },
  { origin: 'https://whole.example.com', pathPrefix: '/' },
]

/** `listed`, `unlisted`, or the code of the error. */
function verdictOn(url: { origin: string; protocol: string; pathname: string }, listed = apis): string {
  try {
    return findCheckedApi(listed, url as URL) ? 'listed' : 'unlisted'
  } catch (error) {
    return (error as { code: string }).code
  }
}

test.each([
  '/v2/..%2fadmin',
  '/v2/..%2Fadmin',
  '/v2/%2e%2e%2fadmin',
  '/v2/.%2e%2fadmin',
  '/v2/x%2f..%2f..%2fadmin',
  '/v2/..%5cadmin',
  '/v2/..%5Cadmin',
  '/v2/x%5c..',
  '/v2/..;/admin',
  '/v2/..;x=1/admin',
  '/v2/..%3b/admin',
  '/v2/..%253b/admin',
  '/v2/%252e%252e/admin',
  '/v2/%252e%252e%252fadmin',
  '/v2/..%252fadmin',
  '/v2/..%255cadmin',
  '/v2/%25252e%25252e/admin',
  '/v2/%25%32%65%25%32%65/admin',
  '/v2/%2%65%2%65/admin',
  '/v2/%252e/orders',
  '/v2/.%2forders',
  '/v2/.;/orders',
  '/v2/x/..%2f',
  '/v2/x/%2f..',
  '/v2/..%3fadmin',
  '/v2/..%23admin',
  '/v2/..%00/admin',
  '/v2/..%20/admin',
  '/v2/%20../admin',
  '/v2/.%09./admin',
  '/v2/.%0d%0a./admin',
  '/v2/%2%09e%2e/admin',
  '/v2/%c0%ae%c0%ae/admin',
  '/v2/..%c0%afadmin',
  '/v2/%e0%80%ae%e0%80%ae/admin',
  '/v2/%25c0%25ae%25c0%25ae/admin',
  '/v2/%u002e%u002e/admin',
  '/v2/..%u002fadmin',
  '/v2/．．/admin',
  '/v2/..／admin',
  `/v2/%${'25'.repeat(40)}2e`,
])('a server may read %s as a path outside /v2, so it is refused', (path) => {
  const url = new URL(origin + path)
  // The platform's parser does not resolve these.
  expect(url.pathname.startsWith('/v2/')).toBe(true)
  expect(verdictOn(url)).toBe('origin_not_allowed')
  expect(verdictOn(new StrictUrl(origin + path))).toBe('origin_not_allowed')
})

test.each([
  '/v2',
  '/v2/',
  '/v2/group%2Fproject',
  '/v2/group%252Fproject',
  '/v2/projects/group%2Fproject/files/src%2F.config%2Findex.ts',
  '/v2/a%5Cb',
  '/v2/a;version=1/b;x=..',
  '/v2/compare/main...next',
  '/v2/compare/v1..v2',
  '/v2/x..%2fy',
  '/v2/..x/y',
  '/v2/.well-known/x',
  '/v2/.%C3%A9',
  '/v2/...',
  '/v2/100%25',
  '/v2/100%',
  '/v2/%zz%2',
  '/v2/%E4%BB%A4%E7%89%8C',
  '/v2/%FF%FE',
  '/v2/tea%20house/%2F%2F',
  '/v2/Ｎ/Ｎ．Ｎ',
  '/v2/x?back=../..%2f..',
  '/v2/x#/../..%2f..',
])('no server reads %s as a path outside /v2, so it gets a token', (path) => {
  expect(verdictOn(new URL(origin + path))).toBe('listed')
  expect(verdictOn(new StrictUrl(origin + path))).toBe('listed')
})

test('an API of a whole origin has no prefix to leave, so all its paths get a token', () => {
  for (const path of ['/..%2fadmin', '/%252e%252e/admin', '/..;/admin']) {
    expect(verdictOn(new URL(`https://whole.example.com${path}`))).toBe('listed')
  }
})

test('a path that may leave its prefix does not go by the rules of a later API of the same origin', () => {
  expect(verdictOn(new URL(`${origin}/v2/..%2fadmin`), [...apis, { origin, pathPrefix: '/' }])).toBe(
    'origin_not_allowed',
  )
})

test('the text of the refusal does not quote the path', () => {
  expect(() => findCheckedApi(apis, new URL(`${origin}/v2/secret%2f..%2f`))).toThrow(/^(?!.*secret).*not sent/i)
})

/** One way to write a character so that some server reads it as that character. */
const escapes = fc.constantFrom<(character: string) => string>(
  (character) => character,
  (character) => `%${hexOf(character)}`,
  (character) => `%${hexOf(character).toUpperCase()}`,
  (character) => `%u00${hexOf(character)}`,
)

function hexOf(character: string): string {
  return character.charCodeAt(0).toString(16).padStart(2, '0')
}

/** Escapes some characters, and some of those of the result, and so on. */
function encodings(text: string): fc.Arbitrary<string> {
  return fc.array(fc.array(escapes, { minLength: 1, maxLength: 40 }), { maxLength: 4 }).map((rounds) =>
    rounds.reduce((written, writers) => {
      return Array.from(written, (character, index) => writers[index % writers.length]?.(character) ?? '').join('')
    }, text),
  )
}

const separators = fc.constantFrom('/', '\\', '//', '/\\')
const harmless = fc.stringMatching(/^[a-z0-9_-]{1,6}$/)
const ends = fc.constantFrom('', '/', '\\', ';', ';x=1/', '?', '#')
const dots = fc.constantFrom('.', '..')

const runs = Number(process.env.URL_RUNS ?? 2000)
const options = { numRuns: runs }
const timeout = 30_000 + runs

test('a dot segment is refused however its characters are escaped', { timeout }, () => {
  const hidden = fc
    .tuple(fc.array(fc.tuple(separators, harmless), { maxLength: 3 }), separators, dots, ends)
    .chain(([before, separator, dot, end]) =>
      encodings(before.map(([one, other]) => one + other).join('') + separator + dot + end),
    )
  fc.assert(
    fc.property(hidden, (rest) => {
      const url = new URL(`${origin}/v2/${rest}`)
      // The parser itself resolves dot segments that it sees, and cuts off a query.
      fc.pre(url.pathname === `/v2/${rest.replaceAll('\\', '/')}`)
      expect(verdictOn(url)).toBe('origin_not_allowed')
    }),
    options,
  )
})

test('a path without dot segments is never refused, however its characters are escaped', { timeout }, () => {
  const plain = fc
    .array(fc.tuple(separators, harmless), { minLength: 1, maxLength: 4 })
    .chain((parts) => encodings(parts.map(([one, other]) => one + other).join('')))
  fc.assert(
    fc.property(plain, (rest) => {
      expect(verdictOn(new URL(`${origin}/v2/${rest}`))).toBe('listed')
    }),
    options,
  )
})

/** How a server that decodes some times reads the path, with backslashes as slashes and without parameters of segments. */
function readAsServer(path: string, times: number): string {
  let decoded = path
  for (let time = 0; time < times; time += 1) {
    decoded = decoded.replace(/%([\da-f]{2})/gi, (_escape, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
  }
  const kept: string[] = []
  for (const segment of decoded.split(/[/\\]/)) {
    const [name = ''] = segment.split(/[;?#]/)
    if (name === '..') kept.pop()
    else if (name !== '.' && name !== '') kept.push(name)
  }
  return `/${kept.join('/')}`
}

test('no path that gets a token is outside its prefix for a server that decodes it up to eight times', {
  timeout,
}, () => {
  const piece = fc.constantFrom(
    '.',
    '..',
    '/',
    '\\',
    ';',
    '%',
    '25',
    '2e',
    '2f',
    '5c',
    '3b',
    'a',
    '%2e',
    '%2f',
    '%5c',
    '%25',
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 14 }), fc.integer({ min: 0, max: 8 }), (pieces, times) => {
      const url = new URL(`${origin}/v2/${pieces.join('')}`)
      if (verdictOn(url) !== 'listed') return
      expect(`${readAsServer(url.pathname, times)}/`).toMatch(/^\/v2\//)
    }),
    options,
  )
})

test('the strict URL of mini programs leads to the same verdict as the platform', { timeout }, () => {
  const piece = fc.constantFrom('.', '..', '/', ';', '%', '25', '2e', '2f', '5c', 'a', 'é', '%2e', '%2f', '%5c', '%25')
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 14 }), (pieces) => {
      const text = `${origin}/v2/${pieces.join('')}`
      const strict = new StrictUrl(text)
      const url = new URL(text)
      // Node 20 keeps some dot segments, contrary to the standard.
      fc.pre(url.pathname === strict.pathname)
      expect(verdictOn(strict)).toBe(verdictOn(url))
    }),
    options,
  )
})
