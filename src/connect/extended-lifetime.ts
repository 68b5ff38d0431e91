declare global {
  interface WorkerOptions {
    /**
     * Keeps a SharedWorker alive for a while after its last page has gone, so that a reload finds the same one.
     * Chromium 148 and later read it; TypeScript's own DOM types do not know it yet.
     *
     * @see https://developer.mozilla.org/docs/Web/API/SharedWorker/SharedWorker
     */
    extendedLifetime?: boolean
  }
}

export {}
