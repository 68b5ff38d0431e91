declare global {
  interface WorkerOptions {
    /**
     * Keeps a SharedWorker alive for a while after its last page was closed, so that a reload finds the same worker.
     * Chromium 148 and later use it. TypeScript's DOM types do not have it yet.
     *
     * @see https://developer.mozilla.org/docs/Web/API/SharedWorker/SharedWorker
     */
    extendedLifetime?: boolean
  }
}

export {}
