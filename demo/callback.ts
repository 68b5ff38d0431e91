import { session } from './session.ts'
import { describeError } from './view/describe-error.ts'
import { find } from './view/element.ts'

try {
  const { returnTo = '/' } = await session.completeSignIn(location.href)
  location.replace(returnTo)
} catch (error) {
  find('message', HTMLElement).textContent = describeError(error)
  find('title', HTMLElement).textContent = 'You are not signed in'
}
