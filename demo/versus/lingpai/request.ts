import { session } from './session.ts'
import { apiOrigin, loginPage, showToast } from './settings.ts'

export async function request(path: string): Promise<unknown> {
  const response = await session.fetch(apiOrigin + path)
  if (!response.ok) throw new Error(`HTTP ${response.status}`)
  return response.json()
}

export function goToLoginWhenSignedOut(): void {
  session.subscribe(() => {
    if (session.getSnapshot().status !== 'signed-out') return
    showToast('Your sign-in has ended, please sign in again')
    setTimeout(() => {
      location.href = loginPage
    }, 1200)
  })
}
