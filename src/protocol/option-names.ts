import type { LingpaiError } from './errors.ts'

/** Rejects unknown options, which are usually misspelt. `path` precedes the name in the error. */
export function checkOptionNames(
  options: object,
  names: readonly string[],
  invalid: (why: string) => LingpaiError,
  path = '',
): void {
  const unknown = Object.keys(options).find((name) => !names.includes(name))
  if (unknown !== undefined) throw invalid(`${path}${unknown} is not an option; the options are ${names.join(', ')}`)
}
