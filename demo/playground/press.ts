import { describeError } from '../page/describe-error.ts'
import { find, onClick } from '../page/element.ts'

/** Does what a button says, and tells of what goes wrong. */
export function onPress(id: string, work: () => Promise<void> | void): void {
  onClick(id, () => void attempt(work))
}

export async function attempt(work: () => Promise<void> | void): Promise<void> {
  const problem = find('problem', HTMLElement)
  problem.textContent = ''
  try {
    await work()
  } catch (error) {
    problem.textContent = describeError(error)
  }
}
