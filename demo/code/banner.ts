import { session } from '../session.ts'

// An outage is no sign-out: lingpai keeps the session and
// tries again. The app need not do more than say so.
export function followTokenServer(banner: HTMLElement): void {
  session.subscribe(() => {
    const { tokenServer } = session.getSnapshot()
    banner.hidden = tokenServer === 'ok'
  })
}
