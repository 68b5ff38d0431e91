// @ts-check
// Searches for counterexamples to the invariants: `npm run simulate -- --seeds 1000000 [--from N] [--seed N] [--threads N]`.
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { bundle } from './bundle.mjs'
import { runSeeds } from './run-seeds.mjs'

const PROGRESS_EVERY = 10_000

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '10000' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    threads: { type: 'string', default: String(availableParallelism()) },
    findings: { type: 'string', default: '1' },
  },
})
const [seeds, from, threads, mostFindings] = [values.seeds, values.from, values.threads, values.findings].map(Number)

const file = await bundle('library')
if (values.seed !== undefined) await tellSeed(Number(values.seed))
else await search()

/** @param {number} seed */
async function tellSeed(seed) {
  const { installGlobals, noticeUnhandled, simulate } = await import(file)
  installGlobals()
  process.on('unhandledRejection', noticeUnhandled)
  const { lines, hash, steps, violation } = await simulate(seed)
  const again = await simulate(seed)
  process.stdout.write(`${lines.join('\n')}\n`)
  const isSame = again.hash === hash
  process.stdout.write(`${steps} steps; trace ${hash}, ${isSame ? 'the same' : `but ${again.hash}`} when run again\n`)
  if (violation !== undefined || !isSame) process.exitCode = 1
}

async function search() {
  let told = performance.now()
  const started = told
  const { findings, ...result } = await runSeeds({
    file,
    from: from ?? 1,
    count: seeds ?? 0,
    threads: threads ?? 1,
    mostFindings: mostFindings ?? 1,
    onProgress(done) {
      const now = performance.now()
      if (now - told < PROGRESS_EVERY) return
      told = now
      const pace = Math.round((done / (now - started)) * 1000)
      process.stdout.write(`${done} of ${seeds} seeds, ${pace} a second\n`)
    },
  })
  for (const { seed, lines, hash, isSame, violation } of findings) {
    process.stdout.write(`\n${lines.join('\n')}\nseed ${seed} breaks ${violation.invariant}: ${violation.text}\n`)
    process.stdout.write(
      `trace ${hash}, ${isSame ? 'the same' : 'ANOTHER'} when run again: npm run simulate -- --seed ${seed}\n`,
    )
  }
  const pace = Math.round(result.seeds / result.seconds)
  process.stdout.write(
    `\n${result.seeds} seeds from ${from}, ${result.steps} steps, in ${result.seconds.toFixed(1)} s: ${pace} seeds a second on ${threads} threads\n`,
  )
  const faults = Object.entries(result.faults).sort(([one], [other]) => (one < other ? -1 : 1))
  process.stdout.write(
    `${faults.length} kinds of fault: ${faults.map(([name, times]) => `${name} ${times}`).join(', ')}\n`,
  )
  process.stdout.write(
    findings.length === 0 ? 'no violation of I1 to I12\n' : `${findings.length} seeds break an invariant\n`,
  )
  if (findings.length > 0) process.exitCode = 1
}
