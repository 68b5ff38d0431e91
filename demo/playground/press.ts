import { describeError } from '../page/describe-error.ts'
import { find, onClick } from '../page/element.ts'

/** Runs the action of a button, and shows an error if it fails. */
export function onPress(id: string, work: () => Promise<void> | void): void {
  onClick(id, () => void attempt(work))
}

export async function attempt(work: () => Promise<void> | void): Promise<void> {
  showProblem('')
  try {
    await work()
  } catch (error) {
    showProblem(describeError(error))
  }
}

export function showProblem(text: string): void {
  find('problem', HTMLElement).hidden = text === ''
  find('problem-text', HTMLElement).textContent = text
}
