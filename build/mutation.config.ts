import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** The quick tests of the code that `npm run mutate` changes. Those that find the most mutants come first. */
const tests = [
  'worker/core/session/transition',
  'worker/core/session/claim',
  'worker/core/session/history',
  'worker/core/retry',
  'worker/core/token-set',
  'worker/core/broker/store-queue',
  'worker/core/broker/grant-run',
  'worker/core/broker/call-trace',
  'worker/core/loopback',
  'worker/core/broker/request-loop',
  'worker/core/broker/broker',
  'worker/core/broker/broker-errors',
  'worker/core/broker/broker-history',
  'worker/core/broker/callers',
  'worker/core/broker/broker-peers',
  'worker/core/broker/several-workers',
  'src/protocol/guard',
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
