import type { LingpaiError } from './errors.ts'

/** Refuses an option that does not exist: most often, its name is misspelt. `path` is the part before the name. */
export function checkOptionNames(
  options: object,
  names: readonly string[],
  invalid: (why: string) => LingpaiError,
  path = '',
): void {
  const unknown = Object.keys(options).find((name) => !names.includes(name))
  if (unknown !== undefined) throw invalid(`${path}${unknown} is not an option; the options are ${names.join(', ')}`)
}
