import { session } from './session'

const show = (text: string) => document.querySelector('output')?.replaceChildren(text)
const onClick = (selector: string, action: () => Promise<unknown>) =>
  document.querySelector(selector)?.addEventListener('click', () => action().catch((error) => show(error.message)))

onClick('#sign-in', () => session.signIn({ via: 'redirect', returnTo: '/' }))
onClick('#sign-out', () => session.signOut())
onClick('#load', async () => {
  const response = await session.fetch('https://api.example.com/orders')
  show(await response.text())
})

const showStatus = () => document.querySelector('#status')?.replaceChildren(session.getSnapshot().status)
session.subscribe(showStatus)
showStatus()

// The provider returns to this path, and the server answers it with this page.
if (location.pathname === '/callback') {
  const { returnTo = '/' } = await session.completeSignIn(location.href)
  history.replaceState(null, '', returnTo)
}
