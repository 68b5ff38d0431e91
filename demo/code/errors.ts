import { isLingpaiError } from 'lingpai'
import { session } from '../session.ts'

export async function load(url: string) {
  try {
    const response = await session.fetch(url)
    // The response after one refresh and one replay.
    if (response.status === 401) return 'Refused'
    return await response.text()
  } catch (error) {
    // No network: a TypeError, as from fetch.
    if (!isLingpaiError(error)) return 'Offline'
    const isOver = error.code === 'sign_in_required'
    return isOver ? 'Sign in' : error.message
  }
}
