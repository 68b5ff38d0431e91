import type { Group } from './rows.ts'

/** The contents of `results.json` and of the report. */
export interface Results {
  /** When the run began, in ISO 8601. */
  readonly at: string
  readonly seconds: number
  readonly isQuick: boolean
  readonly machine: { readonly processors: number; readonly model: string; readonly system: string }
  readonly node: string
  readonly browser: string
  readonly groups: readonly Group[]
  /** Cases that could not be measured, with the reason. */
  readonly failures: readonly { readonly case: string; readonly message: string }[]
}
