/**
 * The part of `URL` that lingpai uses, for mini programs, which lack it. The mini program build replaces the platform's class
 * with this one.
 *
 * It parses every URL that it accepts exactly as the URL Standard does. It rejects URLs that parsers may read differently, so
 * that a look-alike is never taken for a listed origin. It accepts absolute http and https URLs whose host is an ASCII name,
 * an IPv4 address of four decimal numbers, or `[::1]`. Unlike the standard, it rejects a base, user names, backslashes,
 * control characters, spaces at the ends, empty ports, other spellings of addresses, `xn--` labels (to check them takes
 * Unicode's tables), `_` in hosts, empty labels, and last labels that begin with a digit or a hyphen. It also rejects `^` in
 * paths, since only newer engines escape it.
 *
 * @throws TypeError if it rejects the URL; the message does not repeat the URL, which may hold a secret
 * @see https://url.spec.whatwg.org/
 */
export class URL {
  readonly protocol: string
  readonly hostname: string
  readonly origin: string
  readonly pathname: string
  /** Always empty, like `password`: URLs with user names are rejected. */
  readonly username = ''
  readonly password = ''
  readonly searchParams: SearchParams
  readonly #fragment: string

  static canParse(text: string): boolean {
    try {
      return new URL(text) instanceof URL
    } catch {
      return false
    }
  }

  constructor(text: string) {
    const parts = typeof text === 'string' && !UNCLEAR.test(text) ? SHAPE.exec(toScalars(text)) : null
    if (parts === null) throw refuse()
    const [, scheme = '', host = '', port, path = '/', query = '', fragment = ''] = parts
    if (!isPlainHost(host) || Number(port ?? 0) > 65535) throw refuse()
    this.protocol = scheme.toLowerCase()
    this.hostname = host.toLowerCase()
    this.origin = `${this.protocol}//${this.hostname}${writePort(port, this.protocol)}`
    this.pathname = resolveDots(percentEncode(path, /[^!-~]+|["<>`{}]/g))
    this.searchParams = new SearchParams(percentEncode(query, /[^!-~]+|["<>]/g).replace(/'/g, '%27'))
    this.#fragment = percentEncode(fragment, /[^!-~]+|["<>`]/g)
  }

  get href(): string {
    return this.origin + this.pathname + this.searchParams.query + this.#fragment
  }
}

type Pair = readonly [name: string, value: string]

/** The part of `URLSearchParams` that lingpai uses. As in the standard, `set` serializes the whole query again. */
class SearchParams {
  #query: string

  constructor(query: string) {
    this.#query = query
  }

  /** Includes the question mark; empty if the URL has no query. */
  get query(): string {
    return this.#query
  }

  get(name: string): string | null {
    const sought = toScalars(name)
    const pair = parseForm(this.#query).find(([other]) => other === sought)
    return pair === undefined ? null : pair[1]
  }

  set(name: string, value: string): void {
    const pair: Pair = [toScalars(name), toScalars(value)]
    const pairs = parseForm(this.#query)
    const first = pairs.findIndex(([other]) => other === pair[0])
    const kept = pairs.filter(([other], index) => other !== pair[0] || index === first)
    kept[first === -1 ? kept.length : first] = pair
    this.#query = `?${kept.map(([left, right]) => `${formEncode(left)}=${formEncode(right)}`).join('&')}`
  }

  forEach(callback: (value: string, name: string) => void): void {
    for (const [name, value] of parseForm(this.#query)) callback(value, name)
  }
}

/** Control characters, backslashes, and a space at the end: the standard removes or replaces them. */
const UNCLEAR = /[^ -[\]-~\u0080-\uffff]| $/

const SHAPE = /^(https?:)\/\/([a-z\d.-]+|\[::1\])(?::(\d+))?(\/[^?#^]*)?(\?[^#]*)?(#[\s\S]*)?$/i

/** If the last label begins with a digit, the standard may parse the host as an IPv4 address. */
function isPlainHost(host: string): boolean {
  return (
    host === '[::1]' ||
    (/^(?:[a-z\d-]+\.)*[a-z][a-z\d-]*$/i.test(host) && !/(?:^|\.)xn--/i.test(host)) ||
    /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/.test(host)
  )
}

function writePort(port: string | undefined, protocol: string): string {
  return port === undefined || Number(port) === (protocol === 'https:' ? 443 : 80) ? '' : `:${Number(port)}`
}

function resolveDots(path: string): string {
  const kept: string[] = []
  const segments = path.split('/').slice(1)
  segments.forEach((segment, index) => {
    const dots = segment.replace(/%2e/gi, '.')
    if (dots === '..') kept.pop()
    if (dots !== '..' && dots !== '.') kept.push(segment)
    else if (index === segments.length - 1) kept.push('')
  })
  return `/${kept.join('/')}`
}

/** @see https://url.spec.whatwg.org/#concept-urlencoded-parser */
function parseForm(query: string): Pair[] {
  return query
    .slice(1)
    .split('&')
    .filter((field) => field !== '')
    .map((field) => {
      const end = field.indexOf('=')
      return end === -1 ? [formDecode(field), ''] : [formDecode(field.slice(0, end)), formDecode(field.slice(end + 1))]
    })
}

/**
 * Each match is a character in UTF-8, a byte that cannot begin one, or the longest prefix of an incomplete one. The last two
 * decode to one U+FFFD each (Encoding Standard §4.1).
 */
const CHARACTER =
  /%(?:(?:f0%[9ab]|f[1-3]%[89ab]|f4%8)[\da-f](?:%[89ab][\da-f]){0,2}|(?:e0%[ab]|e[1-9a-cef]%[89ab]|ed%[89])[\da-f](?:%[89ab][\da-f])?|(?:c[2-9a-f]|d[\da-f])(?:%[89ab][\da-f])?|[\da-f]{2})/gi

function formDecode(text: string): string {
  return text.replace(/\+/g, ' ').replace(CHARACTER, (bytes) => {
    try {
      return decodeURIComponent(bytes)
    } catch {
      return '\ufffd'
    }
  })
}

function formEncode(text: string): string {
  return encodeURIComponent(text)
    .replace(/%20/g, '+')
    .replace(/[!'()~]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
}

function percentEncode(text: string, set: RegExp): string {
  return text.replace(set, encodeURIComponent)
}

/** Replaces unpaired surrogates with U+FFFD (Infra Standard, "scalar value string"). */
function toScalars(text: string): string {
  return String(text).replace(/[\ud800-\udbff][\udc00-\udfff]|[\ud800-\udfff]/g, (found) =>
    found.length === 2 ? found : '\ufffd',
  )
}

function refuse(): TypeError {
  return new TypeError('The URL is not an absolute http or https URL, or parsers may read it differently.')
}
