import { session } from '../session.ts'

// An outage is not a sign-out: lingpai keeps the session
// and retries. The app only needs to show it.
export function followOutages(banner: HTMLElement) {
  session.subscribe(() => {
    const { tokenServer } = session.getSnapshot()
    banner.hidden = tokenServer === 'ok'
  })
}
