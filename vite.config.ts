import { fileURLToPath } from 'node:url'
import { playwright } from '@vitest/browser-playwright'
import { defineConfig } from 'vitest/config'
import { comlinkWithoutProxies } from './build/comlink-without-proxies.ts'
import { ownApi } from './test/setup/own-api.ts'
import { recipePages } from './test/setup/recipe-pages.ts'
import { testingGuide } from './test/setup/testing-guide.ts'

/** One file per entry point of package.json; everything that is used is bundled, so the package has no dependencies. */
const entries = {
  index: 'src/index.ts',
  worker: 'worker/index.ts',
  oauth: 'worker/grant/oauth.ts',
  'oauth/dpop': 'worker/grant/oauth/dpop.ts',
  envelope: 'worker/envelope.ts',
  inline: 'worker/host/inline.ts',
  testing: 'worker/testing/index.ts',
}

/** What the examples of docs/recipes and docs/testing.md need to run as they stand there. */
const recipes = {
  plugins: [recipePages, testingGuide],
  resolve: {
    alias: Object.entries(entries).map(([name, path]) => ({
      find: new RegExp(name === 'index' ? '^lingpai$' : `^lingpai/${name}$`),
      replacement: fileURLToPath(new URL(path, import.meta.url)),
    })),
  },
}
const clients = [
  '@microsoft/fetch-event-source',
  '@tanstack/query-core',
  'axios',
  'eventsource',
  'graphql-request',
  'ky',
  'ofetch',
  'openapi-fetch',
]

export default defineConfig({
  plugins: [comlinkWithoutProxies],
  build: {
    target: 'es2022',
    minify: false,
    sourcemap: true,
    license: { fileName: 'THIRD-PARTY-LICENSES.md' },
    lib: { entry: entries, formats: ['es'] },
    rolldownOptions: {
      output: { chunkFileNames: 'chunks/[name].js' },
    },
  },
  test: {
    testTimeout: 30_000,
    hookTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'node',
          environment: 'node',
          include: ['test/{src,worker,servers,demo,bench,package,setup,chaos,simulation}/**/*.test.ts'],
        },
      },
      { extends: true, test: { name: 'wechat', environment: 'node', include: ['test/wechat/*.test.ts'] } },
      {
        extends: true,
        ...recipes,
        test: { name: 'recipes', environment: 'node', include: ['test/recipes/*.test.ts'], testTimeout: 10_000 },
      },
      { extends: true, test: { name: 'page', environment: 'happy-dom', include: ['test/page/*.test.ts'] } },
      {
        extends: true,
        ...recipes,
        plugins: [...recipes.plugins, ownApi],
        // Found only while a test runs, they would have the page reload in its middle.
        optimizeDeps: { include: clients },
        test: {
          name: 'browser',
          include: ['test/browser/*.test.ts'],
          globalSetup: 'test/setup/servers.ts',
          browser: {
            enabled: true,
            headless: true,
            screenshotFailures: false,
            provider: playwright({
              launchOptions: {
                ...(process.env.CHROME_PATH ? { executablePath: process.env.CHROME_PATH } : {}),
                // The server that speaks HTTP/2 has a certificate of its own making.
                args: ['--no-sandbox', '--disable-background-networking', '--ignore-certificate-errors'],
              },
            }),
            instances: [{ browser: 'chromium' }],
          },
        },
      },
      {
        extends: true,
        test: {
          name: 'tabs',
          environment: 'node',
          include: ['test/{tabs,examples,attacks}/*.test.ts'],
          // Each file has a browser and servers of its own, and mostly waits for them. After all others, some of which measure time.
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
          testTimeout: 60_000,
        },
      },
    ],
  },
})
