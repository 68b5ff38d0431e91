import fc from 'fast-check'
import { expect, test } from 'vitest'
import { toWireHead } from '../../../worker/transport/fetch.ts'
import { createSentTokens, createTokenSearch, type TokenFilter } from '../../../worker/transport/token-search.ts'

const token = 'eyJ0b2tlbiI.c2VjcmV0-_~'
/** With characters that encoders escape. */
const odd = 'ab/cd+ef/gh==ij'
const encode = (text: string) => new TextEncoder().encode(text)
const decode = (parts: readonly Uint8Array[]) => new TextDecoder('latin1').decode(Buffer.concat(parts))

/** Passes a text through the filter, cut at the given places. Returns what the page gets. */
function pass(filter: TokenFilter, bytes: Uint8Array, cuts: readonly number[] = []): string[] {
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((one, other) => one - other), bytes.length]
  const passed: string[] = []
  try {
    for (const [index, place] of places.entries()) {
      passed.push(decode([filter.push(bytes.subarray(place, places[index + 1] ?? bytes.length))]))
    }
    passed.push(decode([filter.end()]))
  } catch (error) {
    passed.push((error as { code: string }).code)
  }
  return passed
}

const cutting = fc.array(fc.nat(2000), { maxLength: 30 })
const rest = fc.uint8Array({ maxLength: 100 })

const forms: Record<string, (text: string) => string> = {
  'as it is': (text) => text,
  'percent-escaped': encodeURIComponent,
  'percent-escaped in small letters': (text) => encodeURIComponent(text).replace(/%../g, (hex) => hex.toLowerCase()),
  'with escaped slashes': (text) => text.replaceAll('/', '\\/'),
  'with JSON escapes': (text) =>
    text.replace(/[^\w.~-]/g, (character) => `\\u00${character.charCodeAt(0).toString(16)}`),
  'with JSON escapes in capitals': (text) =>
    text.replace(/[+=]/g, (character) => `\\u00${character.charCodeAt(0).toString(16).toUpperCase()}`),
  'with both kinds of JSON escapes': (text) =>
    text.replaceAll('/', '\\/').replace(/[+=]/g, (character) => `\\u00${character.charCodeAt(0).toString(16)}`),
  'in base64': (text) => btoa(text),
  'in base64 after one byte': (text) => btoa(`{${text}}`),
  'in base64 after two bytes': (text) => btoa(`: ${text}, and more`),
  'in base64url': (text) => btoa(`>>>${text}???`).replaceAll('+', '-').replaceAll('/', '_'),
}

test.each(Object.entries(forms).flatMap(([name, form]) => [[name, token, form] as const, [name, odd, form] as const]))(
  'a token that a server repeats %s is found at any offset, for every way to cut the body into chunks: %s (I11)',
  (name, wanted, form) => {
    fc.assert(
      fc.property(rest, rest, cutting, (before, after, cuts) => {
        const filter = createTokenSearch(['another-token', wanted]).createFilter(200)
        const passed = pass(filter, Buffer.concat([before, encode(form(wanted)), after]), cuts)
        expect(passed.at(-1)).toBe('token_reflected')
        // At most three bytes of it go out before. In base64, up to four more characters also depend on other bytes.
        expect(passed.slice(0, -1).join('').length).toBeLessThanOrEqual(
          before.length + (name.includes('base64') ? 7 : 3),
        )
      }),
      { numRuns: 60 },
    )
  },
)

test('bytes without a token pass unchanged, and at most its length less one is held back', () => {
  const patterns = [token, odd]
  fc.assert(
    fc.property(
      // Made of beginnings of tokens, so that much is held back.
      fc.array(
        fc.oneof(
          rest,
          fc.nat(22).map((length) => encode(token.slice(0, length))),
          fc.nat(14).map((length) => encode(odd.slice(0, length))),
        ),
        {
          maxLength: 20,
        },
      ),
      cutting,
      (parts, cuts) => {
        const bytes = Buffer.concat(parts)
        fc.pre(!patterns.some((pattern) => bytes.includes(pattern)))
        const filter = createTokenSearch(patterns).createFilter(200)
        let received = 0
        let sent = 0
        const places = [
          0,
          ...cuts.map((cut) => cut % (bytes.length + 1)).sort((one, other) => one - other),
          bytes.length,
        ]
        const passed: Uint8Array[] = []
        for (const [index, place] of places.entries()) {
          const chunk = bytes.subarray(place, places[index + 1] ?? bytes.length)
          received += chunk.length
          const part = filter.push(chunk)
          sent += part.length
          passed.push(part)
          // The longest form is the base64 text.
          expect(received - sent).toBeLessThan(4 * token.length)
        }
        passed.push(filter.end())
        expect(decode(passed)).toBe(decode([bytes]))
      },
    ),
  )
})

test('a token is found if and only if a search in the whole text finds it', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 60 })
  const short = fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 7 })
  fc.assert(
    fc.property(fc.array(short, { minLength: 1, maxLength: 3 }), fc.array(text, { maxLength: 6 }), (sought, parts) => {
      const filter = createTokenSearch(sought).createFilter(200)
      const whole = parts.join('')
      const search = () => {
        const passed = parts.map((part) => filter.push(encode(part)))
        return decode([...passed, filter.end()])
      }
      if (sought.some((one) => whole.includes(one))) expect(search).toThrow()
      else expect(search()).toBe(whole)
    }),
  )
})

test('a chunk that cannot be the beginning of a token is passed on at once, in the same buffer', () => {
  const filter = createTokenSearch([token]).createFilter(200)
  const chunk = encode('data: tea\n\n')
  expect(filter.push(chunk)).toBe(chunk)
  expect(filter.end()).toHaveLength(0)
})

test.each([
  ['fewer than four bytes, which any text may end with', 'eyJ', 'it is eyJ'],
  ['four bytes and more', 'eyJ0', 'it is '],
])('of a beginning of a token, %s are %s', (_how, beginning, passed) => {
  const filter = createTokenSearch([token]).createFilter(200)
  expect(decode([filter.push(encode(`it is ${beginning}`))])).toBe(passed)
  expect(() => filter.push(encode(token.slice(beginning.length)))).toThrow()
})

test('a token after two megabytes is found', () => {
  const filter = createTokenSearch([token]).createFilter(200)
  for (let count = 0; count < 32; count++) filter.push(new Uint8Array(1 << 16).fill(120))
  expect(() => filter.push(encode(token))).toThrow(expect.objectContaining({ code: 'token_reflected', status: 200 }))
})

test('without a token, nothing is searched', () => {
  const filter = createTokenSearch([]).createFilter(200)
  const chunk = encode(token)
  expect(filter.push(chunk)).toBe(chunk)
})

test.each<[string, Response]>([
  ['a header', new Response(null, { headers: { 'x-echo': `Bearer ${token}` } })],
  ['a header, percent-escaped', new Response(null, { headers: { 'x-echo': encodeURIComponent(odd) } })],
  ['the status text', new Response(null, { statusText: token })],
])('a token in %s is found', (_part, response) => {
  const search = createTokenSearch([token, odd])
  expect(() => toWireHead(response, search)).toThrow(expect.objectContaining({ code: 'token_reflected' }))
  expect(toWireHead(response, undefined).status).toBe(200)
})

test('the tokens before the newest one are found, too, since an API may still accept them', () => {
  const sent = createSentTokens()
  for (const name of ['one', 'two', 'three', 'four', 'five', 'five']) sent.add(`token-${name}-of-the-session`)
  const search = sent.search()
  expect(sent.search()).toBe(search)
  const found = ['one', 'two', 'three', 'four', 'five'].filter((name) =>
    search.isIn(`{"a":"token-${name}-of-the-session"}`),
  )
  expect(found).toEqual(['two', 'three', 'four', 'five'])
})
