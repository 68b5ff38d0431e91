import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildPages, findBuildProblem, measureApp } from './build-pages.ts'
import { type BenchCase, benchCases, type Launch } from './cases.ts'
import { renderReport } from './report.ts'
import type { Results } from './results.ts'
import { evaluate } from './rows.ts'
import { type Report, startBenchServer } from './server/bench-server.ts'
import { findChromium, readChromiumVersion, startBrowser } from './server/browser.ts'
import type { Sample } from './statistics.ts'
import { renderTable } from './table.ts'

const reportFolder = fileURLToPath(new URL('report', import.meta.url))
const longestLaunch = 180_000

const usage = `npm run bench [-- --quick] [-- --only <case>]
  --quick        fewer samples, in about a minute
  --only <case>  ${benchCases.map(({ name }) => name).join(', ')}; may be given several times`

interface Choice {
  readonly isQuick: boolean
  readonly chosen: readonly BenchCase[]
}

/** Measures, prints, and writes the report. Resolves with the exit code: 1 if a case could not be measured. */
export async function runBench(parameters: readonly string[]): Promise<number> {
  const choice = readParameters(parameters)
  if (choice === undefined) {
    console.error(usage)
    return 2
  }
  const { isQuick, chosen } = choice
  const problem = findBuildProblem()
  if (problem !== undefined) {
    console.error(problem)
    if (problem.startsWith('there is no')) return 1
  }
  const chromium = findChromium()
  const started = Date.now()
  const folder = await mkdtemp(join(os.tmpdir(), 'lingpai-bench-pages-'))
  const samples: Sample[] = []
  const failures: { case: string; message: string }[] = []
  try {
    await buildPages(folder)
    for (const [index, benchCase] of chosen.entries()) {
      const title = `case ${index + 1} of ${chosen.length}, ${benchCase.name}: ${benchCase.title}`
      const caseStarted = Date.now()
      console.log(title)
      try {
        samples.push(...(await runCase(benchCase, { chromium, folder, isQuick })))
      } catch (error) {
        failures.push({ case: benchCase.name, message: error instanceof Error ? error.message : String(error) })
      }
      clearProgress()
      console.log(`  ${((Date.now() - caseStarted) / 1000).toFixed(0)} s`)
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  const results: Results = {
    at: new Date(started).toISOString(),
    seconds: (Date.now() - started) / 1000,
    isQuick,
    machine: {
      processors: os.cpus().length,
      model: os.cpus()[0]?.model.trim() || os.arch(),
      system: `${os.type()} ${os.arch()}`,
    },
    node: process.versions.node,
    browser: readChromiumVersion(chromium),
    groups: evaluate(samples, isQuick),
    failures,
  }
  console.log(renderTable(results))
  await mkdir(reportFolder, { recursive: true })
  await writeFile(join(reportFolder, 'results.json'), `${JSON.stringify(results, null, 1)}\n`)
  await writeFile(join(reportFolder, 'index.html'), renderReport(results))
  console.log(`\nin ${results.seconds.toFixed(0)} s; the report is ${join(reportFolder, 'index.html')}`)
  return failures.length === 0 ? 0 : 1
}

function readParameters(parameters: readonly string[]): Choice | undefined {
  const only: string[] = []
  let isQuick = false
  for (let index = 0; index < parameters.length; index++) {
    const parameter = parameters[index]
    if (parameter === '--quick') isQuick = true
    else if (parameter === '--only') only.push(parameters[++index] ?? '')
    else return undefined
  }
  if (!only.every((name) => benchCases.some((benchCase) => benchCase.name === name))) return undefined
  return { isQuick, chosen: benchCases.filter(({ name }) => only.length === 0 || only.includes(name)) }
}

interface RunContext {
  readonly chromium: string
  readonly folder: string
  readonly isQuick: boolean
}

async function runCase(benchCase: BenchCase, context: RunContext): Promise<Sample[]> {
  if (benchCase.name === 'size') return measureSizes()
  const launches = benchCase.launches(context.isQuick)
  const samples: Sample[] = []
  let next = 0
  let done = 0
  async function work(): Promise<void> {
    for (;;) {
      const index = next++
      const launch = launches[index]
      if (launch === undefined) return
      const found = await runLaunch(benchCase, launch, index, context, (share) =>
        showProgress(benchCase.isCounted ? done / launches.length : (index + share) / launches.length),
      )
      samples.push(...found)
      done += 1
    }
  }
  // Cases that only wait and count do not disturb each other, so running them in parallel shortens the quick run.
  const most = context.isQuick ? 8 : 4
  const outcomes = await Promise.allSettled(Array.from({ length: benchCase.isCounted ? most : 1 }, work))
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
  return samples
}

async function runLaunch(
  benchCase: BenchCase,
  launch: Launch,
  index: number,
  { chromium, folder }: RunContext,
  onProgress: (share: number) => void,
): Promise<Sample[]> {
  const { options, tabs = 1, firstLife, flags } = launch
  const reports: Report[] = []
  let finish: () => void = () => {}
  const finished = new Promise<void>((resolve) => {
    finish = resolve
  })
  const memory = { base: 0, peak: 0, timer: undefined as ReturnType<typeof setInterval> | undefined }

  const server = await startBenchServer({
    folder,
    case: benchCase.name,
    tabs,
    options,
    ...(firstLife !== undefined && { firstLife }),
    onProgress: (done, of) => onProgress(done / of),
    onReport(report) {
      reports.push(report)
      if (reports.length === tabs || report.error !== undefined) finish()
    },
    measureMemory(mark) {
      const now = browser.readPageMemory()
      if (now === undefined) throw new Error('this system has no /proc to read the memory of a process from')
      if (mark === 'begin') {
        memory.base = now
        memory.peak = now
        memory.timer = setInterval(() => {
          memory.peak = Math.max(memory.peak, browser.readPageMemory() ?? 0)
        }, 50)
      }
      return { growth: Math.max(memory.peak, now) - memory.base }
    },
  })
  const browser = await startBrowser(chromium, `${server.origin}/?tab=0`, flags)
  let timer: ReturnType<typeof setTimeout> | undefined
  try {
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no report within ${longestLaunch / 1000} s`)), longestLaunch)
    })
    const gone = browser.exited.then(() => Promise.reject(new Error('the browser ended before its report')))
    await Promise.race([finished, late, gone])
  } finally {
    clearTimeout(timer)
    clearInterval(memory.timer)
    await browser.close()
    await server.close()
  }
  const failed = reports.find(({ error }) => error !== undefined)
  if (failed) throw new Error(failed.error)
  return reports.flatMap(({ figures }) =>
    figures.map((figure) => ({ ...figure, case: launch.case ?? benchCase.name, launch: index })),
  )
}

async function measureSizes(): Promise<Sample[]> {
  const samples: Sample[] = []
  for (const contestant of ['lingpai', 'lingpai-worker', 'auth0', 'axios', 'alova'])
    samples.push({
      case: 'size',
      launch: 0,
      round: 0,
      contestant,
      metric: 'bytes',
      value: await measureApp(contestant),
    })
  return samples
}

function showProgress(share: number): void {
  if (process.stdout.isTTY) process.stdout.write(`\r  ${Math.round(share * 100)} %  `)
}

function clearProgress(): void {
  if (process.stdout.isTTY) process.stdout.write('\r          \r')
}
