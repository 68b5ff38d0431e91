import type { ChildProcess } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'

/** Polls until the result is truthy. */
export async function until<T>(what: string, ask: () => Promise<T | undefined>, limit = 30_000): Promise<T> {
  const started = performance.now()
  while (performance.now() - started < limit) {
    const answer = await ask()
    if (answer) return answer
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`Waited ${limit / 1000} s for ${what}.`)
}

export async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  const impatient = setTimeout(() => child.kill('SIGKILL'), 5000)
  await ended
  clearTimeout(impatient)
}

/** The processor time that a process has used, in kernel ticks. Linux only. */
export async function processorTime(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  // The name, in brackets, may contain spaces and brackets.
  return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[11] ?? 0)
}

/** Descendants of this process with that name. Linux only. */
export async function descendants(root: number, name: string): Promise<number[]> {
  const all: { pid: number; parent: number; name: string }[] = []
  for (const entry of await readdir('/proc')) {
    const text = await readFile(`/proc/${entry}/stat`, 'utf8').catch(() => '')
    const parts = /^(\d+) \((.*)\) (.*)$/s.exec(text)
    if (!parts) continue
    all.push({ pid: Number(parts[1]), name: parts[2] ?? '', parent: Number((parts[3] ?? '').split(' ')[1]) })
  }
  const below = new Set([root])
  const isBelow = (pid: number): boolean => {
    if (below.has(pid)) return true
    const parent = all.find((each) => each.pid === pid)?.parent
    return parent !== undefined && parent !== 0 && isBelow(parent)
  }
  return (
    all
      // The kernel truncates names to 15 characters.
      .filter((each) => each.name === name.slice(0, 15) && isBelow(each.pid))
      .map(({ pid }) => pid)
  )
}
