import { isLingpaiError } from 'lingpai'
import { session } from '../session.ts'

export async function load(url: string): Promise<string> {
  try {
    const response = await session.fetch(url)
    // Still 401 after one refresh and one replay: it stands.
    if (response.status === 401) return 'Not for you.'
    return await response.text()
  } catch (error) {
    // No network: a TypeError, as from fetch.
    if (!isLingpaiError(error)) return 'No connection.'
    if (error.code === 'sign_in_required') return 'Sign in.'
    return error.message
  }
}
