import { explainMethod } from '../../src/protocol/app-thread.ts'
import { invalidOption, type ParsedOptions } from './options.ts'

/**
 * Rejects what a mini program cannot do: HTTP methods that `wx.request` does not have, whose requests would look like an
 * outage, and functions in an envelope, which cannot go to the app thread, where the body stays.
 *
 * @throws LingpaiError `invalid_config`
 */
export function checkLimits({ grant, apis }: Pick<ParsedOptions, 'grant' | 'apis'>): void {
  for (const method of grant.methods ?? []) {
    const problem = explainMethod(method)
    if (problem !== undefined) throw invalidOption(`the grant sends ${method}: ${problem}`)
  }
  for (const [index, { envelope = {} }] of apis.entries()) {
    const test = Object.entries(envelope).find(([, value]) => typeof value === 'function')
    if (test)
      throw invalidOption(`apis[${index}].envelope has a function, ${test[0]}: a mini program needs paths and codes`)
  }
}
