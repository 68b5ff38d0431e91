import { session } from '../session.ts'

// Every tab learns of it at once, whichever asked.
export const signIn = () => session.signIn({ via: 'popup' })
export const signOut = () => session.signOut()

export function followUser(name: HTMLElement): void {
  session.subscribe(() => {
    const { user } = session.getSnapshot()
    name.textContent = user?.subject ?? 'Nobody'
  })
}
