import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const vitest = fileURLToPath(new URL('../../node_modules/vitest/vitest.mjs', import.meta.url))
const example = fileURLToPath(new URL('../../examples/testing', import.meta.url))

test('its own tests pass in a Vitest of their own', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [vitest, 'run', '--reporter=json'], {
    cwd: example,
  })
  expect(JSON.parse(stdout)).toMatchObject({ success: true, numTotalTests: 2, numPassedTests: 2 })
})
