// @ts-check
// Runs batches of seeds in a worker thread.
import { pathToFileURL } from 'node:url'
import { parentPort, workerData } from 'node:worker_threads'

// With FinalizationRegistry, Comlink would keep each connection for the life of the thread.
// Comlink tests for it only when it loads. The platform's own code needs it later.
const registry = globalThis.FinalizationRegistry
Reflect.deleteProperty(globalThis, 'FinalizationRegistry')
const { installGlobals, noticeUnhandled, simulate } = await import(pathToFileURL(workerData.file).href)
Object.assign(globalThis, { FinalizationRegistry: registry })
// The stacks of a seed's errors are not used, and cost a tenth of its time.
Error.stackTraceLimit = 0

installGlobals()
process.on('unhandledRejection', noticeUnhandled)

parentPort?.on('message', async ({ from, count }) => {
  /** @type {Record<string, number>} */
  const faults = {}
  let steps = 0
  for (let seed = from; seed < from + count; seed++) {
    const outcome = await simulate(seed)
    steps += outcome.steps
    for (const [name, times] of Object.entries(outcome.faults)) faults[name] = (faults[name] ?? 0) + times
    if (outcome.violation === undefined) continue
    const again = await simulate(seed)
    const isSame = again.hash === outcome.hash
    parentPort?.postMessage({ violation: outcome.violation, seed, lines: outcome.lines, hash: outcome.hash, isSame })
  }
  parentPort?.postMessage({ done: count, steps, faults })
})
parentPort?.postMessage({ ready: true })
