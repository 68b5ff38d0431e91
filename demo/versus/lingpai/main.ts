import { isLingpaiError } from 'lingpai'
import { startFrame } from '../frame.ts'
import { goToLoginWhenSignedOut, request } from './request.ts'
import { session } from './session.ts'

startFrame({
  async signIn() {
    await session.signIn({})
  },
  async becomeSignedIn() {
    await new Promise<void>((resolve) => {
      const look = (): void => {
        if (session.getSnapshot().status === 'signed-in') resolve()
      }
      session.subscribe(look)
      look()
    })
    goToLoginWhenSignedOut()
  },
  signOut: () => session.signOut(),
  request,
  describe: (error) => (isLingpaiError(error) ? error.code : String(error instanceof Error ? error.message : error)),
})
