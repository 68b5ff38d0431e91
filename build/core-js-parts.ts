const names = `
  Array ArrayBuffer BigInt Boolean DataView Date Error EvalError Float32Array Float64Array Function Infinity Int16Array
  Int32Array Int8Array JSON Map Math NaN Number Object Promise Proxy RangeError ReferenceError Reflect RegExp Set String
  Symbol SyntaxError TypeError URIError Uint16Array Uint32Array Uint8Array Uint8ClampedArray WeakMap WeakSet
  FinalizationRegistry WeakRef decodeURIComponent encodeURIComponent isFinite isNaN parseFloat parseInt
  clearInterval clearTimeout console setInterval setTimeout worker wx
`
  .trim()
  .split(/\s+/)

/**
 * Stands for the global object, which a mini program need not have and where nothing is to be left behind: the names of
 * the language and of WeChat, each looked up by itself. core-js looks for the platform's parts here, so that it uses the same
 * of its own on every device and in DevTools, whose worker is a browser's. It also spares core-js's
 * `Function('return this')()`.
 */
const platformGlobals = `'use strict'
var globals = Object.create(null)
${names.map((name) => `if (typeof ${name} !== 'undefined') globals.${name} = ${name}`).join('\n')}
module.exports = globals
`

/** What stands in for modules of core-js that look at more than the language, and are not needed where this runs. */
export const coreJsParts: ReadonlyMap<string, string> = new Map([
  ['global-this', platformGlobals],
  // Asks for Bun and Deno by name.
  ['environment', `module.exports = 'REST'`],
  // Else it brings Internet Explorer's way of making an empty object.
  ['object-create', 'module.exports = Object.create'],
])
