import type { Plugin } from 'vite'

/**
 * Comlink can turn an object into a proxy over a port of its own, which the guard refuses in any case. That handler is all
 * that brings the worker's half into the page and the page's into the worker: half a kilobyte in each.
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
