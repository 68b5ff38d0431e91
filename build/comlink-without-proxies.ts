import type { Plugin } from 'vite'

/**
 * Comlink can turn an object into a proxy over its own port, but the guard rejects such messages. Without that handler, the
 * page does not bundle the worker's half of Comlink, nor the worker the page's: this saves half a kilobyte in each.
 */
export const comlinkWithoutProxies: Plugin = {
  name: 'comlink-without-proxies',
  apply: 'build',
  transform(code, id) {
    if (!/comlink[^/]*\.mjs$/.test(id)) return undefined
    const handler = '["proxy", proxyTransferHandler],'
    if (!code.includes(handler)) throw new Error(`${id} no longer holds ${handler}: look at what Comlink does now.`)
    return { code: code.replace(handler, ''), map: null }
  },
}
