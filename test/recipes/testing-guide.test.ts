import { names } from 'guide:testing'
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

// The imports above register the tests of the examples in this file.

test('every example of the guide is one of these tests', () => {
  const page = readFileSync(new URL('../../docs/testing.md', import.meta.url), 'utf8')
  expect(names.length).toBeGreaterThan(5)
  // The remaining file contains the shared options.
  expect(page.match(/^```ts$/gm)).toHaveLength(names.length + 1)
})
