import { explore } from './explore.ts'
import { describeScope, LARGER_SCOPES, SCOPES } from './scopes.ts'

/** Explores every scope, and prints the path to each violation. Returns whether there was none. */
export function exploreAll(isLarger: boolean): boolean {
  for (const scope of isLarger ? [...SCOPES, ...LARGER_SCOPES] : SCOPES) {
    const started = performance.now()
    const { states, spent, transitions, violation, path } = explore(scope, (known, waiting) =>
      console.log(`  ${describeScope(scope)}: ${known} states so far, ${waiting} still to go on from`),
    )
    const seconds = ((performance.now() - started) / 1000).toFixed(1)
    console.log(
      `${describeScope(scope)}: ${states} states, ${transitions} steps, ${spent} of these to where all that has happened, ${seconds} s`,
    )
    if (violation === undefined) continue
    console.log(`${path.map((label, index) => `  ${index + 1}. ${label}`).join('\n')}\n${violation}`)
    return false
  }
  return true
}
