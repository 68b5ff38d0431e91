/** Mutation testing of what decides: `npm run mutate`, or `npm run mutate -- --mutate src/protocol/guard.ts`. */
export default {
  testRunner: 'vitest',
  plugins: ['@stryker-mutator/vitest-runner'],
  vitest: { configFile: 'build/mutation.config.ts', related: false },
  mutate: ['worker/core/**/*.ts', 'src/protocol/guard.ts'],
  // Without this file Stryker leaves the tsconfigs alone: to rewrite their paths it needs the API of TypeScript 6.
  tsconfigFile: 'none',
  disableTypeChecks: '{src,worker}/**/*.ts',
  ignorePatterns: ['dist', 'bench/report', '.stryker'],
  coverageAnalysis: 'perTest',
  // What is also run while the tests are loaded is judged by the tests that reach it, not by all tests in a new process.
  // This leaves out changes that only loading reaches: of a few constants, such as the longest timer.
  ignoreStatic: true,
  concurrency: 2,
  // Longer than a test may take: a test that waits for ever then fails by itself, and its process goes on.
  timeoutMS: 8_000,
  incremental: true,
  incrementalFile: '.stryker/incremental.json',
  tempDirName: '.stryker/sandbox',
  reporters: ['progress-append-only', 'clear-text', 'html', 'json'],
  clearTextReporter: { reportTests: false, allowColor: false },
  htmlReporter: { fileName: '.stryker/report.html' },
  jsonReporter: { fileName: '.stryker/report.json' },
  thresholds: { high: 95, low: 85, break: 85 },
  allowConsoleColors: false,
}
