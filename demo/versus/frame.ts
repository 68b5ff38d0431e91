import type { Order, Outcome, Report, StormName } from './messages.ts'

export const loginPage = '/versus/login.html'

/** The parts of a frame's app that the comparison uses. */
export interface FrameApp {
  signIn(): Promise<void>
  /** Resolves when this tab has the session. */
  becomeSignedIn(): Promise<void>
  signOut(): Promise<void>
  request(path: string): Promise<unknown>
  describe(error: unknown): string
}

export function startFrame(app: FrameApp): void {
  const fire = async (storm: StormName, call: number): Promise<void> => {
    const outcome = await app.request('/orders').then(
      (): Outcome => ({ kind: 'answered' }),
      (error): Outcome => ({ kind: 'rejected', reason: app.describe(error) }),
    )
    tell({ kind: 'settled', storm, call, outcome })
  }
  const obey = async (order: Order): Promise<void> => {
    switch (order.kind) {
      case 'sign-in':
        await app.signIn()
        return tell({ kind: 'signed-in' })
      case 'prepare':
        await app.becomeSignedIn()
        await app.request('/orders')
        return tell({ kind: 'prepared' })
      case 'sign-out':
        await app.signOut()
        return tell({ kind: 'signed-out' })
      case 'fire':
        for (let call = 0; call < order.count; call += 1) void fire(order.storm, call)
    }
  }
  addEventListener('message', ({ data, source, origin }: MessageEvent<Order>) => {
    if (source !== parent || origin !== location.origin) return
    obey(data).catch((error) => tell({ kind: 'failed', reason: app.describe(error) }))
  })
  tell({ kind: 'ready' })
}

export function showToast(text: string): void {
  document.body.append(Object.assign(document.createElement('p'), { textContent: text }))
  tell({ kind: 'sent-to-login' })
}

function tell(report: Report): void {
  parent.postMessage(report, location.origin)
}
