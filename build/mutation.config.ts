import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** The quick tests of what `npm run mutate` changes: those that find most, soonest, first. */
const tests = [
  'session',
  'session-shared',
  'session-history',
  'retry',
  'token-set',
  'store-queue',
  'attempt',
  'call-trace',
  'loopback',
  'request-loop',
  'broker',
  'broker-errors',
  'broker-history',
  'broker-peers',
  'shared-session',
  'guard',
].map((name) => `test/${name}.test.ts`)

class AsListed extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification) => tests.findIndex((test) => moduleId.endsWith(test))
    return files.sort((one, other) => place(one) - place(other))
  }
}

export default defineConfig({
  test: {
    name: 'mutation',
    environment: 'node',
    include: tests,
    testTimeout: 5_000,
    isolate: false,
    env: { QUICK: 'yes' },
    sequence: { sequencer: AsListed },
  },
})
