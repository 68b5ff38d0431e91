// @ts-check
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'

/** The number of seeds in one batch for a thread. */
const CHUNK = 50

/**
 * @typedef {{ invariant: string, text: string }} Violation
 * @typedef {{ violation: Violation, seed: number, lines: string[], hash: string, isSame: boolean }} Finding
 * @typedef {{ findings: Finding[], seeds: number, steps: number, faults: Record<string, number>, seconds: number }} Result
 */

/**
 * Runs seeds in threads, and stops after `mostFindings` findings.
 *
 * @param {{ file: string, from: number, count: number, threads: number, mostFindings?: number, chunk?: number,
 *   onProgress?: (done: number) => void, silence?: number }} options `silence`: milliseconds after which a thread that
 *   tells nothing hangs
 * @returns {Promise<Result>}
 */
export async function runSeeds({
  file,
  from,
  count,
  threads,
  mostFindings = 1,
  chunk = CHUNK,
  onProgress,
  silence = 120_000,
}) {
  const started = performance.now()
  /** @type {Result} */
  const result = { findings: [], seeds: 0, steps: 0, faults: {}, seconds: 0 }
  let next = from
  const end = from + count

  await Promise.all(
    Array.from({ length: threads }, () => {
      const worker = new Worker(fileURLToPath(new URL('thread.mjs', import.meta.url)), {
        workerData: { file },
        // A seed's garbage is young, and the stacks of its errors are not used.
        resourceLimits: { maxYoungGenerationSizeMb: 64 },
      })
      return /** @type {Promise<void>} */ (
        new Promise((resolve, reject) => {
          /** @type {NodeJS.Timeout | undefined} */
          let watchdog
          let first = from
          const stop = () => {
            clearTimeout(watchdog)
            void worker.terminate().then(() => resolve())
          }
          const giveWork = () => {
            clearTimeout(watchdog)
            if (next >= end || result.findings.length >= mostFindings) return stop()
            first = next
            const size = Math.min(chunk, end - next)
            next += size
            watchdog = setTimeout(() => {
              const text = `no step ends within ${silence / 1000} s`
              result.findings.push({
                violation: { invariant: 'I12', text },
                seed: first,
                lines: [],
                hash: '',
                isSame: true,
              })
              stop()
            }, silence)
            worker.postMessage({ from: first, count: size })
          }
          worker.on('error', reject)
          worker.on('message', (message) => {
            if (message.violation !== undefined) {
              result.findings.push(message)
              if (result.findings.length >= mostFindings) stop()
              return
            }
            if (message.done !== undefined) {
              result.seeds += message.done
              result.steps += message.steps
              for (const [name, times] of Object.entries(message.faults))
                result.faults[name] = (result.faults[name] ?? 0) + times
              onProgress?.(result.seeds)
            }
            giveWork()
          })
        })
      )
    }),
  )
  result.seconds = (performance.now() - started) / 1000
  result.findings.sort((one, other) => one.seed - other.seed)
  return result
}
