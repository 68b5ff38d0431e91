import { createHash, createHmac } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createVerifier } from '../../../servers/legacy/signature-check.ts'
import type { SignableRequest } from '../../../worker/core/adapter.ts'
import { type HashAlgorithm, hash } from '../../../worker/sign/hash.ts'
import { createNonce, randomNumber } from '../../../worker/sign/nonce.ts'
import { type SortedParamsOptions, sortedParams } from '../../../worker/sign/sorted-params.ts'
import { encodeUtf8 } from '../../../worker/sign/utf8.ts'

const ascii = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0))
const repeated = (byte: number, length: number) => new Uint8Array(length).fill(byte)
const noKey = new Uint8Array()

// RFC 1321, appendix A.5.
test.each([
  ['', 'd41d8cd98f00b204e9800998ecf8427e'],
  ['a', '0cc175b9c0f1b6a831c399e269772661'],
  ['abc', '900150983cd24fb0d6963f7d28e17f72'],
  ['message digest', 'f96b697d7cb7938d525a2f31aaf161d0'],
  ['abcdefghijklmnopqrstuvwxyz', 'c3fcd3d76192e4007dfb496cca67e13b'],
  ['ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789', 'd174ab98d277d9f5a5611c2c9f419d9f'],
  [
    '12345678901234567890123456789012345678901234567890123456789012345678901234567890',
    '57edf4a22be3c955ac49da2e2107b67a',
  ],
])('MD5 of "%s" is as in RFC 1321', (message, digest) => {
  expect(hash('md5', ascii(message), noKey)).toBe(digest)
})

// NIST's examples for FIPS 180-4: one block, two blocks, a million characters.
test.each([
  ['abc', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
  [
    'abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq',
    '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1',
  ],
  ['a'.repeat(1_000_000), 'cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0'],
])('SHA-256 is as in the examples of FIPS 180-4 (%#)', (message, digest) => {
  expect(hash('sha256', ascii(message), noKey)).toBe(digest)
})

// RFC 4231, test cases 1 to 4, 6 and 7. Case 5 tests truncation, which the signer does not use.
test.each<[number, Uint8Array, Uint8Array, string]>([
  [1, repeated(0x0b, 20), ascii('Hi There'), 'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7'],
  [
    2,
    ascii('Jefe'),
    ascii('what do ya want for nothing?'),
    '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
  ],
  [3, repeated(0xaa, 20), repeated(0xdd, 50), '773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe'],
  [
    4,
    Uint8Array.from({ length: 25 }, (_, index) => index + 1),
    repeated(0xcd, 50),
    '82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b',
  ],
  [
    6,
    repeated(0xaa, 131),
    ascii('Test Using Larger Than Block-Size Key - Hash Key First'),
    '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54',
  ],
  [
    7,
    repeated(0xaa, 131),
    ascii(
      'This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed before being used by the HMAC algorithm.',
    ),
    '9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2',
  ],
])('HMAC-SHA256 is as in test case %i of RFC 4231', (_case, key, message, digest) => {
  expect(hash('hmac-sha256', message, key)).toBe(digest)
})

test('text is encoded as TextEncoder encodes it, including half surrogate pairs', () => {
  const encoder = new TextEncoder()
  const units = fc.array(
    fc.oneof(
      fc.integer({ min: 0, max: 0xffff }),
      fc.integer({ min: 0xd7f0, max: 0xe010 }),
      fc.constantFrom(0x7f, 0x80),
    ),
  )
  fc.assert(
    fc.property(units, (codes) => {
      const text = codes.map((code) => String.fromCharCode(code)).join('')
      expect(encodeUtf8(text)).toEqual(encoder.encode(text))
    }),
    { numRuns: 500 },
  )
  for (const text of ['', '登录失败', '🀄', '\u{10ffff}', 'a\ud83d', '\udc04a', '\udc04\ud83d']) {
    expect(encodeUtf8(text)).toEqual(encoder.encode(text))
  }
})

const clock = { now: () => 1_700_000_000_999, random: () => 0.5 }
const nonce = '88888888888888888888888888888888'
const url = 'https://api.example/orders'
const post = (data: unknown): SignableRequest => ({ url, method: 'POST', headers: { a: 'b' }, data })
const md5 = (text: string) => createHash('md5').update(text).digest('hex')

async function signed(options: Partial<SortedParamsOptions>, request: SignableRequest): Promise<SignableRequest> {
  return sortedParams({ algorithm: 'md5', secret: 's', ...options }, clock)(request)
}

async function signedData(options: Partial<SortedParamsOptions>, data: unknown): Promise<Record<string, unknown>> {
  return (await signed(options, post(data))).data as Record<string, unknown>
}

test('timestamp, nonce and signature are added, and nothing else changes', async () => {
  expect(await signed({}, post({ page: 1 }))).toEqual({
    ...post(undefined),
    data: {
      page: 1,
      time: 1_700_000_000_999,
      nonce,
      signature: md5(`nonce=${nonce}&page=1&time=1700000000999&key=s`),
    },
  })
})

// The example of WeChat Pay's own documentation of version 2: https://pay.weixin.qq.com/wiki/doc/api/jsapi.php?chapter=4_3
test('the MD5 signature of WeChat Pay’s published example is the published one', async () => {
  const data = await signedData(
    {
      secret: '192006250b4c09247ec02edce69f6a2d',
      fields: { signature: 'sign', timestamp: false, nonce: false },
      output: 'upper',
    },
    {
      appid: 'wxd930ea5d5a258f4f',
      mch_id: 10000100,
      device_info: 1000,
      body: 'test',
      nonce_str: 'ibuaiVcKdpRxkhJA',
    },
  )
  expect(data.sign).toBe('9A0A8659F005D6984697E2CA0A9CF3B7')
})

test.each<[string, Partial<SortedParamsOptions>, unknown, string]>([
  ['names are sorted by code unit, capitals first', {}, { b: 1, a: 2, B: 3, ab: 4 }, `B=3&a=2&ab=4&b=1`],
  ['numbers in names are sorted as text', {}, { 10: 'x', 9: 'y' }, '10=x&9=y'],
  ['true, false and numbers are as JSON', {}, { a: true, b: false, c: 1e21, d: 0.1 }, 'a=true&b=false&c=1e+21&d=0.1'],
  ['objects and arrays are JSON', {}, { a: { z: 1, y: [2] }, b: [] }, 'a={"z":1,"y":[2]}&b=[]'],
  ['null and empty strings are left out', {}, { a: null, b: '', c: 0 }, 'c=0'],
  [
    'null and empty strings are signed if skipEmpty is false',
    { skipEmpty: false },
    { a: null, b: '', c: 0 },
    'a=null&b=&c=0',
  ],
  ['fields that JSON leaves out are left out', { skipEmpty: false }, { a: undefined, b: () => {} }, ''],
  ['a date is signed as the string that is sent', {}, { a: new Date(0) }, 'a=1970-01-01T00:00:00.000Z'],
  ['strings are not escaped', {}, { a: 'x&y=1 +%"' }, 'a=x&y=1 +%"'],
  ['Chinese is UTF-8', {}, { 名: '令牌' }, '名=令牌'],
  ['extra parameters are signed', { extra: { appId: 'app' } }, { a: 1 }, 'a=1&appId=app'],
])('%s', async (_what, options, data, text) => {
  const fields = { timestamp: false, nonce: false } as const
  const { signature } = await signedData({ ...options, fields }, data)
  expect(signature).toBe(md5(`${text}${text === '' ? '' : '&'}key=s`))
})

test('the secret has the configured name', async () => {
  const { signature } = await signedData(
    { secretField: 'secret', fields: { timestamp: false, nonce: false } },
    { a: 1 },
  )
  expect(signature).toBe(md5('a=1&secret=s'))
})

test('with HMAC the secret is the key and not part of the text', async () => {
  const { signature } = await signedData(
    { algorithm: 'hmac-sha256', secret: '密', fields: { timestamp: false, nonce: false } },
    { b: 1, a: 2 },
  )
  expect(signature).toBe(createHmac('sha256', '密').update('a=2&b=1').digest('hex'))
})

test('the timestamp in seconds is an integer', async () => {
  expect(await signedData({ timestampUnit: 's' }, {})).toMatchObject({ time: 1_700_000_000 })
})

test('fields can have other names', async () => {
  const fields = { signature: 'sign', timestamp: 'ts', nonce: 'n' }
  expect(Object.keys(await signedData({ fields }, {})).sort()).toEqual(['n', 'sign', 'ts'])
})

test('parameters of the request with the names of the added fields are replaced', async () => {
  const options = { extra: { appId: 'app' } }
  const clean = await signedData(options, { a: 1 })
  expect(await signedData(options, { a: 1, signature: 'x', time: 1, nonce: 'y', appId: 'z' })).toEqual(clean)
})

test('a request that is signed twice has the signature of the original', async () => {
  const once = await signed({}, post({ a: 1 }))
  expect(await signed({}, once)).toEqual(once)
})

test('the signer does not change its input', async () => {
  const data = Object.freeze({ a: 1, signature: 'x' })
  await signedData({}, data)
  expect(data).toEqual({ a: 1, signature: 'x' })
})

test.each(['GET', 'get', 'HEAD', 'POST', 'DELETE'])('a %s without data is signed in its query', async (method) => {
  const request = { url: `${url}?b=x%20y&a=%E4%BB%A4&a=0&e=#part`, method, headers: {} }
  const result = await signed({}, request)
  const { searchParams, hash: part, pathname } = new URL(result.url)
  const text = `a=令&a=0&b=x y&nonce=${nonce}&time=1700000000999&key=s`
  expect(Object.fromEntries(searchParams)).toEqual({
    a: '0',
    b: 'x y',
    e: '',
    nonce,
    time: '1700000000999',
    signature: md5(text),
  })
  expect([pathname, part, result.data]).toEqual(['/orders', '#part', undefined])
})

test('a signature in a query is replaced', async () => {
  const sign = async (query: string) => {
    const { url: signedUrl } = await signed({}, { url: url + query, method: 'GET', headers: {} })
    return [...new URL(signedUrl).searchParams].sort()
  }
  expect(await sign('?signature=x&signature=y&nonce=z')).toEqual(await sign(''))
})

test.each<[string, unknown]>([
  ['an array', [1]],
  ['a string', 'a=1'],
  ['null', null],
  ['a number', 1],
])('data that are %s are invalid_call, and the message names their type', (what, data) => {
  const sign = sortedParams({ algorithm: 'md5', secret: 's' })
  expect(() => sign(post(data))).toThrow(
    expect.objectContaining({ code: 'invalid_call', message: expect.stringContaining(what) }),
  )
})

test('every attempt has its own nonce and time', async () => {
  const sign = sortedParams({ algorithm: 'sha256', secret: 's' })
  const before = Date.now()
  const requests = await Promise.all(Array.from({ length: 200 }, () => sign(post({ a: 1 }))))
  const data = requests.map((request) => request.data as Record<string, unknown>)
  expect(new Set(data.map((one) => one.nonce)).size).toBe(200)
  expect(new Set(data.map((one) => one.signature)).size).toBe(200)
  for (const { nonce, time } of data) {
    expect(nonce).toMatch(/^[0-9a-f]{32}$/)
    expect(time).toBeGreaterThanOrEqual(before)
  }
})

test('a nonce uses all hex digits, for every random number below one', () => {
  expect(createNonce(() => 0)).toBe('0'.repeat(32))
  expect(createNonce(() => 1 - 2 ** -53)).toBe('f'.repeat(32))
  expect(new Set(createNonce(randomNumber) + createNonce(randomNumber)).size).toBeGreaterThan(4)
})

const algorithms: HashAlgorithm[] = ['md5', 'sha256', 'hmac-sha256']
const record = fc.dictionary(fc.string({ unit: 'binary', maxLength: 8 }), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 6 })

test.each(algorithms)(
  'an independent server accepts every %s signature, and rejects every changed field',
  async (algorithm) => {
    const sign = sortedParams({ algorithm, secret: '秘密', extra: { appId: 'app' } })
    const forged = { algorithm, secret: '秘密', nonceField: false } as const
    const run = fc.asyncProperty(record, fc.nat(), fc.string({ minLength: 1 }), async (data, choice, change) => {
      const { data: result } = await sign(post(data))
      const received = JSON.parse(JSON.stringify(result)) as Record<string, unknown>
      expect(createVerifier({ algorithm, secret: '秘密' })(received)).toBe(true)
      expect(createVerifier({ ...forged, secret: 'other' })(received)).toBe(false)
      const names = Object.keys(received)
      const name = names[choice % names.length] as string
      const changed = JSON.parse(JSON.stringify(received)) as Record<string, unknown>
      Object.defineProperty(changed, name, { value: `${toText(changed[name])}${change}`, enumerable: true })
      expect(createVerifier(forged)(changed)).toBe(false)
    })
    await fc.assert(run, { numRuns: 100 })
  },
)

function toText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

test('the verifying server rejects a used nonce and an old time', async () => {
  const verify = createVerifier({ algorithm: 'md5', secret: 's' })
  const fresh = (await sortedParams({ algorithm: 'md5', secret: 's' })(post({}))).data as Record<string, unknown>
  expect([verify(fresh), verify(fresh)]).toEqual([true, false])
  expect(verify(await signedData({}, {}))).toBe(false)
})

const valid = { algorithm: 'md5', secret: 's' }
test.each<[string, unknown, string]>([
  ['no options', undefined, 'algorithm'],
  ['an unknown algorithm', { ...valid, algorithm: 'sha1' }, 'algorithm'],
  ['an algorithm of the prototype', { ...valid, algorithm: 'toString' }, 'algorithm'],
  ['no secret', { ...valid, secret: undefined }, 'secret'],
  ['an empty secret', { ...valid, secret: '' }, 'secret'],
  ['an empty secretField', { ...valid, secretField: '' }, 'secretField'],
  ['fields that are a list', { ...valid, fields: ['sign'] }, 'fields'],
  ['no name for the signature', { ...valid, fields: { signature: false } }, 'fields.signature'],
  ['a timestamp that is true', { ...valid, fields: { timestamp: true } }, 'fields.timestamp'],
  ['an empty nonce', { ...valid, fields: { nonce: '' } }, 'fields.nonce'],
  ['two fields with the same name', { ...valid, fields: { nonce: 'time' } }, '"time"'],
  ['an extra parameter with the name of a field', { ...valid, extra: { nonce: 'x' } }, '"nonce"'],
  ['extra parameters that are not strings', { ...valid, extra: { appId: 1 } }, 'extra'],
  ['an unknown output', { ...valid, output: 'base64' }, 'output'],
  ['skipEmpty as a string', { ...valid, skipEmpty: 'no' }, 'skipEmpty'],
  ['an unknown unit', { ...valid, timestampUnit: 'm' }, 'timestampUnit'],
])('%s is invalid_config, and the message names the option', (_what, options, name) => {
  expect(() => sortedParams(options as never)).toThrow(
    expect.objectContaining({ code: 'invalid_config', message: expect.stringContaining(name) }),
  )
})

test('no error quotes the secret', () => {
  const secret = 'do-not-tell'
  for (const options of [{ algorithm: 'x' }, { output: 'x' }, { fields: { nonce: 'time' } }]) {
    expect(() => sortedParams({ algorithm: 'md5', secret, ...options } as never)).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining(secret) }),
    )
  }
})
