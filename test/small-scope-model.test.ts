import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { bundle } from './simulation/bundle.mjs'
import type { explore } from './simulation/model/explore.ts'
import { describeScope, SCOPES } from './simulation/model/scopes.ts'
import { bugs } from './simulation/planted-bugs/bugs.mjs'

async function load(name: string, options: Parameters<typeof bundle>[1] = {}): Promise<typeof explore> {
  const file = await bundle(name, { ...options, entry: 'test/simulation/model/explore.ts' })
  return (await import(pathToFileURL(file).href)).explore
}

test('every reachable state of two workers on one store keeps I1, I2, I3, I5, I6, I7 and I9', async () => {
  const exploreAll = await load('model-test')
  for (const scope of SCOPES) {
    const { states, transitions, violation, path } = exploreAll(scope)
    console.log(`${describeScope(scope)}: ${states} states, ${transitions} transitions`)
    expect({ violation, path }).toEqual({ violation: undefined, path: [] })
    expect(states).toBeGreaterThan(1000)
  }
}, 120_000)

test.each([
  ['no marker', /^I1/],
  ['a rejected refresh token is sent again', /^I2/],
  ['a sign-out leaves the store as it is', /^I6/],
])(
  'the model finds "%s", and tells the way to it',
  async (name, expected) => {
    const patches = bugs.filter((bug) => bug.name.startsWith(name))
    expect(patches).toHaveLength(1)
    const exploreBug = await load(`model-${name.replaceAll(' ', '-')}`, { patches })
    for (const scope of SCOPES) {
      const { violation, path } = exploreBug(scope, 100_000)
      if (violation === undefined) continue
      expect(violation).toMatch(expected)
      expect(path.length).toBeGreaterThan(3)
      return
    }
    expect.unreachable('The model has not found it.')
  },
  60_000,
)
