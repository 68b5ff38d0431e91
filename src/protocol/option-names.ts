import type { LingpaiError } from './errors.ts'

/** Rejects unknown options, which are usually misspelt. `path` precedes the name in the error. */
export function checkOptionNames(
  options: object,
  names: string,
  invalid: (why: string) => LingpaiError,
  path = '',
): void {
  const known = names.split(' ')
  for (const name of Object.keys(options))
    if (!known.includes(name)) throw invalid(`${path}${name} is not an option; the options are ${known.join(', ')}`)
}
