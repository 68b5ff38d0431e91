import { LingpaiError } from './errors.ts'
import type { Hello } from './handshake.ts'

/** The error of two incompatible builds: which one is older, and what to do. */
export function mismatch(page: Hello, worker: Hello): LingpaiError {
  return new LingpaiError(
    'protocol_mismatch',
    page.newest < worker.oldest
      ? `This page (lingpai ${page.build}) is older than its worker (lingpai ${worker.build}): reload the page.`
      : `The worker (lingpai ${worker.build}) is older than this page (lingpai ${page.build}): close this site's other tabs, then reload.`,
  )
}
