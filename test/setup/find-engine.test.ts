import { expect, test } from 'vitest'
import { findEngine } from './find-engine.mjs'

const aptGet = '/usr/bin/apt-get'
const shell = '/usr/bin/jsc'

interface Machine {
  platform?: NodeJS.Platform
  isRoot?: boolean
  environment?: Record<string, string>
  files?: string[]
  broken?: string[]
  commands?: Record<string, (files: Set<string>) => boolean>
}

function findOn(machine: Machine) {
  const files = new Set(machine.files)
  const lines: string[] = []
  const commandsRun: string[] = []
  const result = findEngine({
    environment: { PATH: '/usr/local/bin:/usr/bin', ...machine.environment },
    log: (line) => lines.push(line),
    platform: machine.platform ?? 'linux',
    isRoot: machine.isRoot ?? false,
    isExecutable: async (file) => files.has(file),
    startProblem: async (file) => (machine.broken?.includes(file) ? 'a library is missing' : undefined),
    runCommand: async ({ command, parameters }) => {
      const text = [command, ...parameters].join(' ')
      commandsRun.push(text)
      const known = Object.entries(machine.commands ?? {}).find(([part]) => text.includes(part))
      return known ? known[1](files) : false
    },
  })
  return { result, lines, commandsRun }
}

test('JSC_PATH wins over an installed engine', async () => {
  const { result } = findOn({ environment: { JSC_PATH: '/my/jsc' }, files: ['/my/jsc', shell] })
  expect(await result).toEqual({ executablePath: '/my/jsc', source: 'JSC_PATH' })
})

test('a JSC_PATH that does not exist gives an error that names it', async () => {
  const { result } = findOn({ environment: { JSC_PATH: '/my/jsc' }, files: [shell] })
  await expect(result).rejects.toThrow(/\/my\/jsc.*not an executable file.*Set JSC_PATH/)
})

test('a JSC_PATH that does not start gives an error that names it and the reason', async () => {
  const { result } = findOn({ environment: { JSC_PATH: '/my/jsc' }, files: ['/my/jsc'], broken: ['/my/jsc'] })
  await expect(result).rejects.toThrow(/\/my\/jsc.*a library is missing/)
})

test('an engine on the path is used without running any command', async () => {
  const { result, commandsRun } = findOn({ files: [shell], isRoot: true })
  expect(await result).toEqual({ executablePath: shell, source: 'installed' })
  expect(commandsRun).toEqual([])
})

test('an engine that does not start is skipped with a line saying so', async () => {
  const { result, lines } = findOn({ files: ['/usr/local/bin/jsc', shell], broken: ['/usr/local/bin/jsc'] })
  expect((await result).executablePath).toBe(shell)
  expect(lines).toContain('engine: /usr/local/bin/jsc does not start (a library is missing)')
})

test.each([
  ['macOS', 'darwin', '/System/Library/Frameworks/JavaScriptCore.framework/Versions/Current/Helpers/jsc'],
  ['Debian, beside the library', 'linux', '/usr/lib/x86_64-linux-gnu/javascriptcoregtk-4.1/jsc'],
] as const)('the engine of %s is found off the path', async (_name, platform, file) => {
  const { result } = findOn({ platform, files: [file] })
  expect(await result).toEqual({ executablePath: file, source: 'installed' })
})

test('on Debian as root the package is installed', async () => {
  const { result, commandsRun } = findOn({
    isRoot: true,
    files: [aptGet],
    commands: {
      update: () => true,
      'libjavascriptcoregtk-4.0-bin': (files) => {
        files.add(shell)
        return true
      },
    },
  })
  expect(await result).toEqual({ executablePath: shell, source: 'debian' })
  expect(commandsRun).toEqual([
    expect.stringMatching(/^apt-get .*update$/),
    expect.stringMatching(/^apt-get .*install -y --no-install-recommends libjavascriptcoregtk-4\.0-bin$/),
  ])
})

test('a newer Debian has the package by another name', async () => {
  const { result } = findOn({
    isRoot: true,
    files: [aptGet],
    commands: {
      update: () => true,
      'libjavascriptcoregtk-4.1-bin': (files) => {
        files.add('/usr/lib/aarch64-linux-gnu/javascriptcoregtk-4.1/jsc')
        return true
      },
    },
  })
  expect((await result).source).toBe('debian')
})

test('without root nothing is installed, and the error says what to do', async () => {
  const { result, commandsRun } = findOn({ files: [aptGet] })
  const { message } = await result.then(
    () => new Error('found'),
    (error: Error) => error,
  )
  expect(message).toContain('apt-get was not tried')
  expect(message).toContain('apt-get install libjavascriptcoregtk-4.0-bin')
  expect(message).toContain('set JSC_PATH')
  expect(commandsRun).toEqual([])
})

test('when apt-get fails, the error says so', async () => {
  const { result } = findOn({ isRoot: true, files: [aptGet] })
  await expect(result).rejects.toThrow('apt-get could not install libjavascriptcoregtk-4.0-bin')
})
