// @ts-check
import { spawnSync } from 'node:child_process'
import { parseArgs } from 'node:util'

// Sends generated messages to a worker's port: npm run fuzz -- --messages 1000000. A failure prints the seed of fast-check.
const { values } = parseArgs({ options: { messages: { type: 'string', default: '100000' } } })
const messages = Number(values.messages)
if (!Number.isInteger(messages) || messages < 1) throw new Error('--messages takes a whole number from 1')
console.log(`${messages} messages`)
const file = 'test/src/protocol/guard.test.ts'
const given = ['vitest', 'run', '--project', 'node', file, '-t', 'with any messages of a page']
const { status } = spawnSync('npx', given, { stdio: 'inherit', env: { ...process.env, MESSAGES: String(messages) } })
process.exitCode = status ?? 1
