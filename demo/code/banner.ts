import { session } from '../session.ts'

// An outage is no sign-out: lingpai keeps the session
// and tries again. The app need only say so.
export function followOutages(banner: HTMLElement) {
  session.subscribe(() => {
    const { tokenServer } = session.getSnapshot()
    banner.hidden = tokenServer === 'ok'
  })
}
