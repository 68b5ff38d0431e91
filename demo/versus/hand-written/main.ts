import { startFrame } from '../frame.ts'
import { request } from './request.ts'

startFrame({
  async signIn() {
    const response = await fetch('/pairs/hand-written/tokens', { method: 'POST' })
    const { accessToken, refreshToken } = await response.json()
    localStorage.setItem('accessToken', accessToken)
    localStorage.setItem('refreshToken', refreshToken)
  },
  async becomeSignedIn() {},
  async signOut() {
    localStorage.removeItem('accessToken')
    localStorage.removeItem('refreshToken')
  },
  request,
  describe: (error) => String(error instanceof Error ? error.message : error),
})
