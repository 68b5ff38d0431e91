import { session } from './session'

const show = (text: string) => document.querySelector('output')?.replaceChildren(text)
const showStatus = () => document.querySelector('#status')?.replaceChildren(session.getSnapshot().status)
session.subscribe(showStatus)
showStatus()

document.querySelector('form')?.addEventListener('submit', (event) => {
  event.preventDefault()
  const form = new FormData(event.currentTarget as HTMLFormElement)
  session
    .signIn({ account: String(form.get('account')), password: String(form.get('password')) })
    .catch((error) => show(error.apiMessage ?? error.message))
})
document.querySelector('#load')?.addEventListener('click', () => {
  session.request<{ items: string[] }>({ url: 'https://api.example.com/list', method: 'POST', data: {} }).then(
    ({ items }) => show(items.join(', ')),
    (error) => show(error.message),
  )
})
