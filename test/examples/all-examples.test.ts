import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const folder = fileURLToPath(new URL('../../examples', import.meta.url))
const examples = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory())

const readCode = (name: string) =>
  readdirSync(join(folder, name), { recursive: true, encoding: 'utf8' })
    .filter((path) => /\.[jt]s$/.test(path))
    .flatMap((path) => readFileSync(join(folder, name, path), 'utf8').split('\n'))
    .filter((line) => line.trim() !== '' && !/^\s*(\/\/|\/\*\*)/.test(line))

test.each(examples.map(({ name }) => name))('%s has fewer than 40 lines of code', (name) => {
  expect(readCode(name).length).toBeGreaterThan(20)
  expect(readCode(name).length).toBeLessThan(40)
})

test.each(examples.map(({ name }) => name))('%s has a README, and a test that runs it', (name) => {
  expect(existsSync(join(folder, name, 'README.md'))).toBe(true)
  expect(existsSync(fileURLToPath(new URL(`${name}.test.ts`, import.meta.url)))).toBe(true)
})
