import { session } from '../session.ts'

// Expired, refused, revoked: nothing to write for it.
// The call waits for the one refresh and goes out
// again, or it rejects. It never hangs.
export async function loadOrders(url: string) {
  const response = await session.fetch(url)
  return response.json()
}
