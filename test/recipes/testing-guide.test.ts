import { names } from 'guide:testing'
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

// The tests of the examples are tests of this file: importing them has registered them.

test('every example of the guide is one of these tests', () => {
  const page = readFileSync(new URL('../../docs/testing.md', import.meta.url), 'utf8')
  expect(names.length).toBeGreaterThan(5)
  // One more is the file of options that they share.
  expect(page.match(/^```ts$/gm)).toHaveLength(names.length + 1)
})
