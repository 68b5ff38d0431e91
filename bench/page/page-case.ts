import type { Figure, Plan } from './control.ts'

/** A case's part on the page. It hands each figure to `tell`, which sends all of them at the end. */
export type PageCase = (plan: Plan, tell: (figure: Figure) => void) => Promise<void>
