import { type ApiRules, findApi, notListed } from '../../src/protocol/apis.ts'

/**
 * Finds the API that a URL belongs to. The page cannot decide this: it would have to be trusted.
 *
 * @throws LingpaiError `origin_not_allowed` if a server may read the path as one outside the API's `pathPrefix`
 */
export function findCheckedApi<Api extends ApiRules>(apis: readonly Api[], url: URL): Api | undefined {
  const api = findApi(apis, url)
  if (api && api.pathPrefix !== '/' && hasHiddenDots(url.pathname)) {
    throw notListed(url)
  }
  return api
}

/**
 * Whether a path has dot segments for a server that decodes it, perhaps repeatedly. Some servers also take `\` for `/`, ignore
 * a segment's parameters (`..;x`), drop spaces and control characters, and read UTF-8 that is too long, or full-width forms.
 * A path that is still escaped after so many decodings counts as one of these.
 */
function hasHiddenDots(path: string, decodings = 8): boolean {
  const decoded = path
    .replace(/%(?:u00)?([\da-f]{2})/gi, (_escape, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
    .replace(/[^!-\xff]/g, '')
    .replace(/(?:\xc0|\xe0\x80)\xae|\xef\xbc\x8e/g, '.')
    .replace(/(?:\xc0|\xe0\x80)\xaf|\xef\xbc\x8f|\\/g, '/')
  if (decoded === path) return /\/\.\.?(?:[/;?#]|$)/.test(path)
  return decodings === 0 || hasHiddenDots(decoded, decodings - 1)
}
