import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { bundle, type Patch } from '../bundle.mjs'
import { bugs } from '../planted-bugs/bugs.mjs'
import type { compareWorlds } from './compare.ts'
import type { explore } from './explore.ts'
import { describeScope, SCOPES } from './scopes.ts'
import type { Scope } from './world.ts'

async function load(name: string, options: Parameters<typeof bundle>[1] = {}): Promise<typeof explore> {
  const file = await bundle(name, { ...options, entry: 'test/simulation/model/explore.ts' })
  return (await import(pathToFileURL(file).href)).explore
}

async function loadComparison(name: string, patches: readonly Patch[] = []): Promise<typeof compareWorlds> {
  const file = await bundle(name, { patches, entry: 'test/simulation/model/compare.ts' })
  return (await import(pathToFileURL(file).href)).compareWorlds
}

test('every reachable state of two workers on one store keeps I1, I2, I3, I5, I6, I7 and I9', async () => {
  const exploreAll = await load('model-test')
  for (const scope of SCOPES) {
    const { states, spent, transitions, violation, path } = exploreAll(scope)
    console.log(
      `${describeScope(scope)}: ${states} states, ${transitions} steps, ${spent} of these to where all that has happened`,
    )
    expect({ violation, path }).toEqual({ violation: undefined, path: [] })
    expect(states).toBeGreaterThan(200)
    expect(spent).toBeGreaterThan(100)
  }
}, 300_000)

/** Defects in addition to those of the simulation. */
const modelBugs = [
  {
    name: 'a conditional write ignores the version in the store',
    file: 'worker/core/shared-record.ts',
    search: '(version === undefined || version === kept.version)',
    replace: 'true',
  },
  {
    name: 'the next worker does not know of a lost response',
    file: 'worker/core/session/claim.ts',
    search: 'const outcomeLost = claim.outcomeLost || marker.outcomeLost || !isOver',
    replace: 'const outcomeLost = claim.outcomeLost',
  },
]

const none: Scope = { signIns: 1, signOuts: 0, rotations: 1, crashes: 0, losses: 0, hasGrace: true }

test.each<[string, RegExp, Partial<Scope>]>([
  ['no marker', /^I1/, { signIns: 2 }],
  ['no generation fence', /^I7/, { signIns: 2 }],
  ['a rejected refresh token is sent again', /^I2/, { crashes: 1, losses: 1, hasGrace: false }],
  ['a sign-out leaves the store as it is', /^I6/, { signOuts: 1 }],
  ['a conditional write', /^I5/, { signIns: 2 }],
  ['the next worker does not know', /^I9/, { crashes: 1, losses: 1, hasGrace: false }],
])(
  'the model finds "%s" and the path to it',
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

const everything: Scope = { signIns: 2, signOuts: 1, rotations: 3, crashes: 1, losses: 1, hasGrace: true }

test.each([true, false])(
  'states with one description continue in the same way (grace: %s)',
  async (hasGrace) => {
    const compare = await loadComparison('model-likeness')
    const seed = Date.now() & 0x7fffffff
    console.log(`likeness: seed ${seed}`)
    const { worlds, names, difference } = compare({ ...everything, hasGrace }, seed, 150)
    expect(difference).toBeUndefined()
    expect(worlds).toBeGreaterThan(2 * names)
  },
  120_000,
)

const likeness = 'test/simulation/model/likeness.ts'

test.each([
  [
    'what a worker has sent does not count',
    'request === undefined || !numbers.sessions.includes(request.session)',
    'request === undefined || request',
  ],
  ['that a worker was told to look does not count', 'looks: useful, isHinted,', 'looks: useful,'],
  [
    'a stored session is over as soon as no worker holds it',
    'alive.add(addState(stateOf(record)))',
    'addState(stateOf(record))',
  ],
])(
  'the check of equal states detects a description that omits too much: %s',
  async (name, search, replace) => {
    const compare = await loadComparison(`likeness-${name.replaceAll(' ', '-')}`, [{ file: likeness, search, replace }])
    expect(compare({ ...everything, hasGrace: false }, 1, 400).difference).toBeDefined()
  },
  120_000,
)
