import { explainMethod } from '../../src/protocol/app-thread.ts'
import { checkOptionNames } from '../../src/protocol/option-names.ts'
import { invalidOption, type ServeOptions } from './options.ts'

const OPTIONS = 'grant apis store refresh maxSessionAge exposeAccessToken adopt ownDispatcher'.split(' ')
const API_OPTIONS = 'origin pathPrefix attach envelope sign signInRequired'.split(' ')

/**
 * Rejects unknown options: most mini programs are written in JavaScript, without a type check for a misspelt option. Also
 * rejects HTTP methods that `wx.request` does not have: their requests would look like an outage.
 *
 * @throws LingpaiError `invalid_config`
 */
export function checkOptions(options: ServeOptions<never>): void {
  checkOptionNames(options, OPTIONS, invalidOption)
  for (const [index, api] of options.apis.entries()) {
    checkOptionNames(api, API_OPTIONS, invalidOption, `apis[${index}].`)
    const test = Object.entries(api.envelope ?? {}).find(([, value]) => typeof value === 'function')
    // The body stays on the app thread, and a function cannot go there.
    if (test)
      throw invalidOption(`apis[${index}].envelope has a function, ${test[0]}: a mini program needs paths and codes`)
  }
  for (const method of options.grant.methods ?? []) {
    const problem = explainMethod(method)
    if (problem !== undefined) throw invalidOption(`the grant sends ${method}: ${problem}`)
  }
}
