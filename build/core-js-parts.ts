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
 * Replaces the global object, which a mini program may not have and must not be changed: the names of the language and of
 * WeChat, each read on its own. core-js looks for the platform's parts here, so it makes the same choices on every device and
 * in DevTools, whose worker is a browser's. This also avoids core-js's `Function('return this')()`.
 */
const platformGlobals = `'use strict'
var globals = Object.create(null)
${names.map((name) => `if (typeof ${name} !== 'undefined') globals.${name} = ${name}`).join('\n')}
module.exports = globals
`

/** Replacements for core-js modules that read more than the language and are not needed in a mini program. */
export const coreJsParts: ReadonlyMap<string, string> = new Map([
  ['global-this', platformGlobals],
  // The original tests for Bun and Deno by name.
  ['environment', `module.exports = 'REST'`],
  // The original contains Internet Explorer's way to create an empty object.
  ['object-create', 'module.exports = Object.create'],
])
