import { session } from '../session.ts'

const via = 'popup'
export const signIn = () => session.signIn({ via })
// All tabs are signed in at once.
export const signOut = () => session.signOut()

export function followUser(name: HTMLElement) {
  session.subscribe(() => {
    const { user } = session.getSnapshot()
    name.textContent = user?.subject ?? 'Nobody'
  })
}
