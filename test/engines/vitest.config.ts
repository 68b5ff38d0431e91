import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const names = ['chromium', 'firefox', 'webkit'] as const

/** The same tests once for each engine; `run.mjs` finds or installs them. */
export default defineConfig({
  test: {
    projects: names.map((name) => ({
      root: fileURLToPath(new URL('../..', import.meta.url)),
      test: {
        name,
        environment: 'node',
        include: ['test/engines/*.test.ts'],
        provide: { engine: name },
        fileParallelism: false,
        testTimeout: 60_000,
        hookTimeout: 60_000,
      },
    })),
  },
})
