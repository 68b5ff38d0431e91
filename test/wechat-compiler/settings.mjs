// @ts-check

/**
 * The possible language settings in project.config.json.
 *
 * @typedef {{ name: string, es6: boolean, enhance: boolean }} LanguageSetting
 */

/** @type {{ enhanced: LanguageSetting, plain: LanguageSetting, untouched: LanguageSetting }} */
export const settings = {
  enhanced: { name: 'ES6 to ES5, enhanced compilation on', es6: true, enhance: true },
  plain: { name: 'ES6 to ES5, enhanced compilation off', es6: true, enhance: false },
  untouched: { name: 'no transpiling', es6: false, enhance: false },
}

/**
 * The package holds two compilers. `upload` is the one that uploads use today; it takes "ES6 to ES5" for enhanced
 * compilation. `classic` is the one of older tools and the stricter one, which refuses new syntax without enhancement.
 *
 * @typedef {'classic' | 'upload'} CompilerName
 *
 * @typedef {{ compiler: CompilerName, setting: LanguageSetting }} Variant
 *
 * @typedef {Variant & { project: string, output: string }} Task
 *
 * @typedef {{ packNpm: string[], tasks: Task[] }} Order Projects whose npm packages to build, then what to compile.
 *
 * @typedef {{ warnings: string[], failures: (string | null)[], seconds: number[] }} Outcome
 */

/** Every setting, with a compiler for which it makes a difference. @type {Variant[]} */
export const variants = [
  { compiler: 'classic', setting: settings.enhanced },
  { compiler: 'classic', setting: settings.plain },
  { compiler: 'classic', setting: settings.untouched },
  { compiler: 'upload', setting: settings.enhanced },
  { compiler: 'upload', setting: settings.untouched },
]

/** @param {Variant} variant */
export function nameVariant({ compiler, setting }) {
  return `${compiler} compiler, ${setting.name}`
}
