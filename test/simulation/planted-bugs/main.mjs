// @ts-check
// Plants one bug after another and lets the simulation search for it: `npm run plant-bugs [-- part of a name]`.
import { availableParallelism } from 'node:os'
import { bundle } from '../bundle.mjs'
import { runSeeds } from '../run-seeds.mjs'
import { bugs } from './bugs.mjs'

/** A bug survives if this number of seeds does not find it. */
const MAX_SEEDS = 6000
const chosen = bugs.filter(({ name }) => name.includes(process.argv[2] ?? ''))
const rows = []

for (const bug of chosen) {
  const file = await bundle(`planted-bug-${bugs.indexOf(bug)}`, { patches: [bug] })
  const { findings, seconds } = await runSeeds({
    file,
    from: bug.from ?? 1,
    count: MAX_SEEDS,
    threads: availableParallelism(),
    chunk: 5,
    silence: 20_000,
  })
  const [found] = findings
  rows.push({ bug, found, seconds })
  const where = found
    ? `seed ${found.seed}, ${seconds.toFixed(1)} s: ${found.violation.invariant}, ${found.violation.text}`
    : 'SURVIVES'
  process.stdout.write(`${rows.length} of ${chosen.length}, ${bug.name}: ${where}\n`)
}

const survivors = rows.filter(({ found }) => found === undefined)
process.stdout.write(`\n${rows.length - survivors.length} of ${rows.length} planted bugs are found\n`)
if (survivors.length > 0 || rows.length === 0) process.exitCode = 1
