/** The stages of a call until its first byte, in order; the last is their sum. */
export const stageNames = [
  'call received',
  'fetch called',
  'headers',
  'chunk read',
  'chunk posted',
  'answer in the page',
  'first byte in the page',
  'all of it',
] as const
