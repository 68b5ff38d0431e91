import { LingpaiError } from '../../src/protocol/errors.ts'
import { explainMethod } from '../../src/protocol/services.ts'
import type { ServeOptions } from './options.ts'

const OPTIONS = 'grant apis store refresh maxSessionAge exposeAccessToken adopt ownDispatcher'.split(' ')
const API_OPTIONS = 'origin pathPrefix attach envelope sign signInRequired'.split(' ')

/**
 * Mini programs are mostly JavaScript, where a misspelt option would be left out without a word. And a method that WeChat
 * does not have would look like an outage.
 *
 * @throws LingpaiError `invalid_config`
 */
export function checkOptions(options: ServeOptions<never>): void {
  checkNames('', options, OPTIONS)
  for (const [index, api] of options.apis.entries()) checkNames(`apis[${index}].`, api, API_OPTIONS)
  for (const method of options.grant.methods ?? []) {
    const problem = explainMethod(method)
    if (problem !== undefined)
      throw new LingpaiError('invalid_config', `serve(): the grant sends ${method}: ${problem}.`)
  }
}

function checkNames(path: string, options: object, names: readonly string[]): void {
  const unknown = Object.keys(options).find((name) => !names.includes(name))
  if (unknown === undefined) return
  throw new LingpaiError('invalid_config', `serve(): ${path}${unknown} is no option; there are ${names.join(', ')}.`)
}
