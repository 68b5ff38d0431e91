import { LingpaiError } from './errors.ts'
import type { Hello } from './handshake.ts'

/** Says which of two builds that do not understand each other is the older one, and what to do about it. */
export function mismatch(page: Hello, worker: Hello): LingpaiError {
  const name = ({ build = 'of an earlier build' }: Hello) => `lingpai ${build}`
  return new LingpaiError(
    'protocol_mismatch',
    page.newest < worker.oldest
      ? `This page (${name(page)}) is older than its worker (${name(worker)}): reload the page.`
      : `The worker (${name(worker)}) is older than this page (${name(page)}): close this site's other tabs, then reload.`,
  )
}
