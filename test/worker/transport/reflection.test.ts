import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createReflectionCheck, refuseReflection } from '../../../worker/transport/reflection.ts'

const token = 'eyJ0b2tlbiI.c2VjcmV0-_~'
const encode = (text: string) => new TextEncoder().encode(text)

test('a token is found for every way to cut the body into chunks (I11)', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'grapheme' }),
      fc.string(),
      fc.array(fc.nat(60), { maxLength: 20 }),
      (before, after, cuts) => {
        const bytes = encode(before + token + after)
        const places = [0, ...cuts.map((cut) => cut % bytes.length).sort((a, b) => a - b), bytes.length]
        const check = createReflectionCheck(200, token)
        expect(() => {
          for (const [index, place] of places.entries()) check(bytes.subarray(place, places[index + 1]))
        }).toThrow(expect.objectContaining({ code: 'token_reflected', status: 200 }))
      },
    ),
  )
})

test('a token is found if and only if a search in the whole text finds it', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 60 })
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 7 }),
      fc.array(text, { maxLength: 6 }),
      (sought, parts) => {
        const check = createReflectionCheck(200, sought)
        const search = () => {
          for (const part of parts) check(encode(part))
        }
        if (parts.join('').includes(sought)) expect(search).toThrow()
        else search()
      },
    ),
  )
})

test('a token that arrives byte by byte is found, and a part of a token is not a match', () => {
  const check = createReflectionCheck(200, token)
  const bytes = encode(`x${token}`)
  expect(() => {
    for (const byte of bytes) check(Uint8Array.of(byte))
  }).toThrow()
  const other = createReflectionCheck(200, token)
  other(encode(token.slice(0, -1)))
  other(encode('!'))
})

test('bytes that are not UTF-8 do not hide the token', () => {
  const check = createReflectionCheck(200, token)
  check(new Uint8Array([0xe4, 0xbb]))
  expect(() => check(new Uint8Array([0xff, ...encode(token), 0xc0]))).toThrow()
})

test('a token that begins after the first MiB is not searched for, one that begins before is found', () => {
  const late = createReflectionCheck(200, token)
  late(new Uint8Array(1 << 20))
  late(encode(token))
  const early = createReflectionCheck(200, token)
  early(new Uint8Array((1 << 20) - 5))
  expect(() => early(encode(token))).toThrow()
})

test.each<[string, Response]>([
  ['a header', new Response(null, { headers: { 'x-echo': `Bearer ${token}` } })],
  ['the status text', new Response(null, { statusText: token })],
])('a token in %s is found', (_part, response) => {
  expect(() => refuseReflection(response, '', token)).toThrow(expect.objectContaining({ code: 'token_reflected' }))
  refuseReflection(response, token, undefined)
})
