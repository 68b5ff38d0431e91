import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { bundle } from './simulation/bundle.mjs'
import type { explore } from './simulation/model/explore.ts'
import { describeScope, SCOPES } from './simulation/model/scopes.ts'
import type { Scope } from './simulation/model/world.ts'
import { bugs } from './simulation/planted-bugs/bugs.mjs'

async function load(name: string, options: Parameters<typeof bundle>[1] = {}): Promise<typeof explore> {
  const file = await bundle(name, { ...options, entry: 'test/simulation/model/explore.ts' })
  return (await import(pathToFileURL(file).href)).explore
}

test('every reachable state of two workers on one store keeps I1, I2, I3, I5, I6, I7 and I9', async () => {
  const exploreAll = await load('model-test')
  for (const scope of SCOPES) {
    const { states, spent, transitions, violation, path } = exploreAll(scope)
    console.log(
      `${describeScope(scope)}: ${states} states, ${spent} of them with all that behind them, ${transitions} transitions`,
    )
    expect({ violation, path }).toEqual({ violation: undefined, path: [] })
    expect(states).toBeGreaterThan(500)
    expect(spent).toBeGreaterThan(100)
  }
}, 300_000)

/** Beyond those that the simulation must find, too. */
const modelBugs = [
  {
    name: 'a conditional write counts whatever version the store holds',
    file: 'worker/core/shared-record.ts',
    search: '(version === undefined || version === kept.version)',
    replace: 'true',
  },
  {
    name: 'the next worker is not told that an answer was lost',
    file: 'worker/core/session.ts',
    search: 'const outcomeLost = refresh.outcomeLost || attempt.outcomeLost || !isOver',
    replace: 'const outcomeLost = refresh.outcomeLost',
  },
]

const none: Scope = { signIns: 1, signOuts: 0, rotations: 1, crashes: 0, losses: 0, hasGrace: true }

test.each<[string, RegExp, Partial<Scope>]>([
  ['no marker', /^I1/, { signIns: 2 }],
  ['no generation fence', /^I5/, { signIns: 2 }],
  ['a rejected refresh token is sent again', /^I2/, { crashes: 1, losses: 1, hasGrace: false }],
  ['a sign-out leaves the store as it is', /^I6/, { signOuts: 1 }],
  ['a conditional write', /^I5/, { signIns: 2 }],
  ['the next worker is not told', /^I9/, { crashes: 1, losses: 1, hasGrace: false }],
])(
  'the model finds "%s", and tells the way to it',
  async (name, expected, scope) => {
    const patches = [...bugs, ...modelBugs].filter((bug) => bug.name.startsWith(name))
    expect(patches).toHaveLength(1)
    const exploreBug = await load(`model-${name.replaceAll(' ', '-')}`, { patches })
    const { violation, path } = exploreBug({ ...none, ...scope })
    expect(violation).toMatch(expected)
    expect(path.length).toBeGreaterThan(3)
  },
  60_000,
)
