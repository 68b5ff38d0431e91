import fc from 'fast-check'
import { expect, test } from 'vitest'
import { URL as StrictUrl } from '../../../src/protocol/strict-url.ts'

/** Raise it after a change of strict-url.ts: `URL_RUNS=1000000 npx vitest run --project node test/src/protocol/strict-url.test.ts`. */
const runs = Number(process.env.URL_RUNS ?? 2000)
const options = { numRuns: runs }
const timeout = 30_000 + runs

function readAll(url: StrictUrl | URL) {
  const pairs: [string, string][] = []
  url.searchParams.forEach((value: string, name: string) => {
    pairs.push([name, value])
  })
  const { href, origin, protocol, hostname, pathname, username, password } = url
  return { href, origin, protocol, hostname, pathname, username, password, pairs }
}

function tryToRead(text: string): StrictUrl | undefined {
  try {
    return new StrictUrl(text)
  } catch (error) {
    expect(error).toBeInstanceOf(TypeError)
    return undefined
  }
}

/**
 * Parses a URL with the platform. Contrary to the standard, Node 20 keeps dot segments after a segment such as `.a`. A `/.` in
 * front makes it resolve all of them (https://github.com/ada-url/ada/issues/935).
 */
function parseByStandard(text: string): URL {
  const url = new URL(text)
  const hasDots = /\/(\.|%2e){1,2}(\/|$)/i.test(url.pathname)
  return hasDots ? new URL(text.replace(/^\w+:\/\/[^/?#]*/, '$&/.')) : url
}

function expectSameOrRefused(text: string): void {
  const url = tryToRead(text)
  expect(StrictUrl.canParse(text)).toBe(url !== undefined)
  if (url === undefined) return
  expect(URL.canParse(text)).toBe(true)
  expect(readAll(url)).toEqual(readAll(parseByStandard(text)))
}

const ordinary = [
  'https://api.example.com',
  'https://api.example.com/',
  'https://api.example.com/orders',
  'https://api.example.com/orders/',
  'https://api.example.com/orders?page=1&size=20',
  'https://api.example.com/orders?page=1&size=20#top',
  'https://api.example.com?page=1',
  'https://api.example.com#top',
  'https://api.example.com/?',
  'https://api.example.com/#',
  'https://api.example.com/?#',
  'https://api.example.com/a//b///c',
  'https://api.example.com//evil.example/a',
  'https://api.example.com/a/../b/./c',
  'https://api.example.com/a/%2e%2E/b/%2e/c/.%2e',
  'https://api.example.com/../../..',
  'https://api.example.com/a/..',
  'https://api.example.com/a/.',
  'https://api.example.com/.../..a/a../.a',
  'https://api.example.com/a/.b/../c/./d',
  'https://api.example.com/a%2fb%5Cc%00%zz%',
  'https://api.example.com/订单/列表?关键字=手机 壳&x=é#第一',
  'https://api.example.com/a b"c<d>e`f{g}h|i[j]k~l!m$n&o\'p(q)r*s+t,u;v=w:x@y',
  'https://api.example.com/?a b"c<d>e`f{g}h|i[j]k~l!m$n&o\'p(q)r*s+t,u;v=w:x@y/z?^',
  'https://api.example.com/#a b"c<d>e`f{g}h|i[j]k~l!m$n&o\'p(q)r*s+t,u;v=w:x@y/z?^#',
  'https://api.example.com/\ud83d\ude00/\ud83d/\ude00?\ude00\ud83d#\ud83d',
  'https://api.example.com/\u0080\u00a0\u2028\u2029\u3000\ufeff\uffff#\u2028\u3000',
  'https://api.example.com/?to=https://evil.example/@user:pass',
  'https://api.example.com/@user',
  'https://api.example.com/?q=%B0%A1&r=%E4%BD&s=%F0%9F%98%80&t=%ED%A0%80&u=+%2B&&=&v&w==&%zz=%',
  'HTTPS://API.Example.COM/Orders',
  'hTTp://localhost:8080/x',
  'https://localhost',
  'https://api.example.com:443/x',
  'https://api.example.com:80/x',
  'http://api.example.com:80/x',
  'http://api.example.com:443/x',
  'https://api.example.com:0443/x',
  'https://api.example.com:000000008443/x',
  'https://api.example.com:0',
  'https://api.example.com:65535?x',
  'https://api-1.a--b.example-2.com',
  'https://1.2.a3.example.c0m',
  'https://0x7f.example',
  'http://127.0.0.1:8787/token',
  'http://0.0.0.0',
  'https://255.255.255.255:1#',
  'http://[::1]',
  'http://[::1]:8787/token',
  `https://${'a'.repeat(63)}.example/${'b/'.repeat(5000)}?${'c=d&'.repeat(5000)}`,
]

test.each(ordinary)('parses %j like the platform', (text) => {
  expect(readAll(new StrictUrl(text))).toEqual(readAll(parseByStandard(text)))
  expect(StrictUrl.canParse(text)).toBe(true)
})

const refused = [
  // Not absolute, or not http or https.
  '',
  ' ',
  '/orders',
  '//api.example.com/orders',
  'api.example.com',
  'api.example.com:443',
  'https',
  'https:',
  'https:/',
  'https://',
  'https:///',
  'https://?',
  'https://#',
  'https://:443',
  'https:api.example.com',
  'https:/api.example.com',
  'https:///api.example.com',
  'https:////api.example.com',
  'https//api.example.com',
  'https ://api.example.com',
  'http\u017f://api.example.com',
  'ftp://api.example.com',
  'ws://api.example.com',
  'wss://api.example.com',
  'file:///etc/passwd',
  'javascript://api.example.com/%0aalert(1)',
  'data:text/plain,x',
  'blob:https://api.example.com/1',
  'view-source:https://api.example.com',
  'wxfile://tmp/1',
  // User names.
  'https://user@api.example.com',
  'https://user:pass@api.example.com',
  'https://@api.example.com',
  'https://:@api.example.com',
  'https://api.example.com@evil.example',
  'https://api.example.com:443@evil.example',
  'https://api.example.com%2f@evil.example',
  'https://evil.example@@api.example.com',
  // Backslashes, controls, and spaces at the ends.
  'https:\\\\api.example.com',
  'https:/\\api.example.com',
  'https://api.example.com\\@evil.example',
  'https://evil.example\\.api.example.com',
  'https://api.example.com/a\\..\\b',
  'https://api.example.com/?\\',
  'https://api.example.com/#\\',
  'https://api.exa\tmple.com',
  'https://api.exa\nmple.com',
  'https://api.exa\rmple.com',
  'ht\ntps://api.example.com',
  'https:/\t/api.example.com',
  'https://api.example.com/\t',
  'https://api.example.com/.\n./a',
  'https://api.example.com/\0',
  'https://api.example.com/\x1f#',
  'https://api.example.com/\x7f',
  ' https://api.example.com',
  '\ufeffhttps://api.example.com',
  '\u00a0https://api.example.com',
  'https://api.example.com ',
  'https://api.example.com/ ',
  'https://api.example.com/? ',
  'https://api.example.com/# ',
  'https://api.example.com/\n',
  // Hosts.
  'https://api.example.com.',
  'https://.api.example.com',
  'https://api..example.com',
  'https://.',
  'https://..',
  'https://api_1.example.com',
  'https://*.example.com',
  'https://api.example.com*',
  'https://api example.com',
  'https://api.example.com /x',
  'https://api%2eexample.com',
  'https://%61pi.example.com',
  'https://api.example.com%00.evil.example',
  'https://api.example.com%23.evil.example',
  'https://\u0430pi.example.com',
  'https://api\u3002example\uff0ecom',
  'https://api.example.com\uff0f.evil.example',
  'https://api.example.com\u2044x.evil.example',
  'https://api.example.com\u2025evil.example',
  'https://evil.c\u2100.example.com',
  'https://api.example.com\u00ad',
  'https://\u200bapi.example.com',
  'https://\u212aiosk.example',
  'https://\u017fhop.example',
  'https://\u0130d.example',
  'https://\u4f8b\u5b50.cn',
  'https://\ud83d.example',
  'https://xn--fsqu00a.cn',
  'https://XN--fsqu00a.cn',
  'https://a.xN--a',
  'https://xn--',
  'https://api.example.com;evil.example',
  'https://api.example.com,evil.example',
  'https://api.example.com&evil.example',
  'https://api.example.com!',
  "https://api.example.com'",
  'https://api.example.com"',
  'https://api.example.com<',
  'https://api.example.com|',
  'https://api.example.com^',
  'https://api.example.com`',
  'https://{host}',
  'https://$' + '{host}',
  'https://api.example.com[',
  'https://api.example.com]',
  // Addresses.
  'http://127.1',
  'http://127.0.1',
  'http://127.0.0.1.',
  'http://127.0.0.01',
  'http://0127.0.0.1',
  'http://127.0.0.0x1',
  'http://0x7f.1',
  'http://0x7F.0.0.1',
  'http://0x7f000001',
  'http://0x',
  'http://a.0x',
  'http://2130706433',
  'http://017700000001',
  'http://256.0.0.1',
  'http://1.2.3.256',
  'http://1.2.3.4.5',
  'http://1.2.3',
  'http://1.2.3.4a',
  'http://a.1',
  'http://api.example.com.1',
  'http://1.2.3.-4',
  'http://[]',
  'http://[::]',
  'http://[::2]',
  'http://[0:0:0:0:0:0:0:1]',
  'http://[::0001]',
  'http://[::ffff:127.0.0.1]',
  'http://[::127.0.0.1]',
  'http://[::1%25eth0]',
  'http://[::1',
  'http://::1]',
  'http://::1',
  'http://[::1]a',
  'http://[::1].example',
  'http://[v1.x]',
  // Ports.
  'https://api.example.com:',
  'https://api.example.com:/',
  'https://api.example.com:65536',
  'https://api.example.com:4294967739',
  `https://api.example.com:${'9'.repeat(400)}`,
  'https://api.example.com:-1',
  'https://api.example.com:+443',
  'https://api.example.com:0x1bb',
  'https://api.example.com:4 43',
  'https://api.example.com:443:443',
  'https://api.example.com:443a',
  'https://api.example.com:443.evil.example',
  'https://api.example.com:\uff14\uff14\uff13',
  // The standard escapes it since 2024; older engines do not.
  'https://api.example.com/a^b',
]

test.each(refused)('rejects %j', (text) => {
  expect(() => new StrictUrl(text)).toThrow(TypeError)
  expect(StrictUrl.canParse(text)).toBe(false)
})

test.each([undefined, null, 7, {}, Symbol('x'), ['https://api.example.com'], new URL('https://api.example.com')])(
  'rejects a value that is not a string (%#)',
  (given) => {
    expect(() => new StrictUrl(given as never)).toThrow(TypeError)
    expect(StrictUrl.canParse(given as never)).toBe(false)
  },
)

test('does not repeat the rejected text', () => {
  expect(() => new StrictUrl('https://user:hunter2@api.example.com')).toThrow(/^(?!.*hunter2)/)
})

const letterCase = (text: string) =>
  fc
    .array(fc.boolean(), { minLength: text.length, maxLength: text.length })
    .map((isUpper) => Array.from(text, (letter, index) => (isUpper[index] ? letter.toUpperCase() : letter)).join(''))
const scheme = fc.constantFrom('http', 'https').chain(letterCase)
const label = fc
  .stringMatching(/^[A-Za-z][A-Za-z0-9]{0,6}(-[a-z0-9]{1,5}){0,2}$/)
  .filter((text) => !/^xn--/i.test(text))
const host = fc.oneof(
  { weight: 4, arbitrary: fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.')) },
  { weight: 1, arbitrary: fc.ipV4() },
  { weight: 1, arbitrary: fc.constant('[::1]') },
)
const port = fc.oneof(
  fc.constantFrom('', '', '', ':80', ':443', ':080', ':00443', ':0'),
  fc.nat(65535).map((number) => `:${number}`),
)
const codeUnits = (maxLength: number) =>
  fc.string({ unit: fc.nat(0xffff).map((unit) => String.fromCharCode(unit)), maxLength })
const piece = fc.oneof(
  fc.constantFrom(
    ...['.', '..', '/', '//', '%2e', '%2E', '.%2e', '%2e.', '%2E%2e', '...', '%', '%2', '%zz', '%2f', '%00', '%5c'],
    ...[' ', '"', "'", '<', '>', '`', '{', '}', '|', '[', ']', '@', ':', ';', '=', '&', '+', ',', '$', '!', '~', '('],
    ...[
      'a',
      'orders',
      '订单',
      'é',
      '\ud83d\ude00',
      '\ud83d',
      '\ude00',
      '\u2028',
      '%E8%AE%A2',
      'a=1',
      '&b=2',
      '?',
      '%26',
    ],
  ),
  fc.string({ maxLength: 6 }),
  fc.string({ unit: 'binary', maxLength: 4 }),
  codeUnits(4),
)
/** URLs without the rejected forms: all of them must be accepted. */
const text = (unclear: RegExp) =>
  fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join('').replace(unclear, '').replace(/ +$/, ''))
const optional = (mark: string, arbitrary: fc.Arbitrary<string>) =>
  fc.option(arbitrary, { nil: undefined }).map((given) => (given === undefined ? '' : mark + given))
const controls = '\\u0000-\\u001f\\u007f\\\\'
const path = optional('/', text(new RegExp(`[${controls}?#^]`, 'g')))
const query = optional('?', text(new RegExp(`[${controls}#]`, 'g')))
const fragment = optional('#', text(new RegExp(`[${controls}]`, 'g')))
const goodUrl = fc
  .tuple(scheme, host, port, path, query, fragment)
  .map(([first, ...rest]) => `${first}://${rest.join('')}`)

test(
  'parses every accepted form like the platform',
  () => {
    fc.assert(
      fc.property(goodUrl, (given) => {
        expect(readAll(new StrictUrl(given))).toEqual(readAll(parseByStandard(given)))
      }),
      options,
    )
  },
  timeout,
)

const nasty = fc.oneof(
  fc.constantFrom(
    ...['\\', '/', '//', '\\\\', '/\\', '@', ':', '?', '#', '.', '..', '%', '%2e', '%2f', '%40', '%00', '%5c', ' '],
    ...['\t', '\n', '\r', '\0', '\x1f', '\x7f', '\u0080', '\u00ad', '\u200b', '\u200d', '\ufeff', '\u3000', '\u00a0'],
    ...['\u3002', '\uff0e', '\uff61', '\uff0f', '\uff20', '\uff1a', '\u2044', '\u2100', '\u212a', '\u017f', '\u0130'],
    ...['\ud83d', '\ude00', '\ud83d\ude00', '\u00df', '\u03c2', '\u0430', 'é', 'xn--', 'xn--a', 'xn--fsqu00a', 'XN--'],
    ...['0', '1', '0x', '0x7f', '017', '.1', '127.1', '256', '4294967296', '[', ']', '[::1]', '::', '::ffff:1.2.3.4'],
    ...['_', '-', '--', '*', '+', '$', '!', "'", '"', '<', '>', '^', '`', '{', '|', '}', '~', '&', '=', ';', ','],
    ...[':80', ':443', ':0', ':', ':65536', ':99999999999', ':8a', 'http', 'https', 'http:', 'https:', 'file:', 'ws:'],
    ...[
      'evil.example',
      'api.example.com',
      '@evil.example',
      '.evil.example',
      'user:pass@',
      'localhost',
      '.',
      'C:',
      'c|',
    ],
  ),
  fc.nat(0xffff).map((unit) => String.fromCharCode(unit)),
  fc.nat(0x7f).map((unit) => String.fromCharCode(unit)),
)
const mutated = (start: fc.Arbitrary<string>) =>
  fc
    .tuple(start, fc.array(fc.tuple(fc.nat(), fc.nat(2), nasty), { minLength: 1, maxLength: 3 }))
    .map(([given, changes]) =>
      changes.reduce((current, [place, removed, added]) => {
        const at = place % (current.length + 1)
        return current.slice(0, at) + added + current.slice(at + removed)
      }, given),
    )
const lookAlike = fc
  .tuple(
    fc.constantFrom('https://', 'http://', 'https://api.example.com', 'https://api.example.com/', 'HTTPS:/', ''),
    fc.array(nasty, { maxLength: 7 }),
  )
  .map(([start, rest]) => start + rest.join(''))
const strangeHost = fc
  .tuple(fc.array(fc.oneof(fc.nat(300).map(String), nasty, label), { minLength: 1, maxLength: 5 }), path)
  .map(([labels, rest]) => `http://${labels.join('.')}${rest}`)

test.each([
  ['a good URL with changes', mutated(goodUrl)],
  ['an ordinary URL with changes', mutated(fc.constantFrom(...ordinary.slice(0, -1), ...refused))],
  ['a look-alike', lookAlike],
  ['a strange host', strangeHost],
  ['any text after the scheme', fc.oneof(codeUnits(12), fc.string({ unit: 'binary' })).map((rest) => `http://${rest}`)],
  ['any text', fc.oneof(codeUnits(12), fc.string(), fc.webUrl({ withQueryParameters: true, withFragments: true }))],
])(
  'either rejects %s, or parses it like the platform',
  (_name, arbitrary) => {
    fc.assert(fc.property(arbitrary, expectSameOrRefused), options)
  },
  timeout,
)

test(
  'parses its own href to the same URL',
  () => {
    fc.assert(
      fc.property(goodUrl, (given) => {
        const url = new StrictUrl(given)
        expect(readAll(new StrictUrl(url.href))).toEqual(readAll(url))
      }),
      options,
    )
  },
  timeout,
)

const word = fc.oneof(
  fc.constantFrom(
    'a',
    'b',
    '',
    'a b',
    'é',
    '订单',
    '+',
    '%',
    '%20',
    '&',
    '=',
    '\ud83d',
    "!'()*~-._",
    '\ufffd',
    '\ufeff',
  ),
  codeUnits(3),
  fc.string({ maxLength: 5 }),
)

test(
  'sets and gets parameters like the platform',
  () => {
    fc.assert(
      fc.property(goodUrl, fc.array(fc.tuple(word, word), { maxLength: 4 }), word, (given, changes, name) => {
        const ours = new StrictUrl(given)
        const theirs = parseByStandard(given)
        for (const [changed, value] of changes) {
          ours.searchParams.set(changed, value)
          theirs.searchParams.set(changed, value)
          expect(readAll(ours)).toEqual(readAll(theirs))
        }
        for (const sought of [name, ...theirs.searchParams.keys()])
          expect(ours.searchParams.get(sought)).toBe(theirs.searchParams.get(sought))
      }),
      options,
    )
  },
  timeout,
)

test(
  'decodes broken UTF-8 in parameters like the platform',
  () => {
    const bytes = fc
      .array(
        fc.oneof(fc.integer({ min: 0x80, max: 0xff }), fc.constantFrom(0x41, 0x80, 0xbf, 0xe0, 0xed, 0xf0, 0xf4)),
        {
          maxLength: 12,
        },
      )
      .map((all) => all.map((byte) => `%${byte.toString(16)}`).join(''))
    fc.assert(
      fc.property(bytes, (value) => {
        const given = `https://api.example.com/?q=${value}`
        expect(new StrictUrl(given).searchParams.get('q')).toBe(new URL(given).searchParams.get('q'))
      }),
      options,
    )
  },
  timeout,
)

test('set replaces the first of repeated parameters and drops the others', () => {
  const url = new StrictUrl('https://api.example.com/?a=1&b=2&a=3&c')
  url.searchParams.set('a', "x y'")
  expect(url.href).toBe('https://api.example.com/?a=x+y%27&b=2&c=')
})

test('resolves dot segments after a name that begins with a dot', () => {
  expect(new StrictUrl('https://api.example.com/a/.b/../c/./d').pathname).toBe('/a/c/d')
})
