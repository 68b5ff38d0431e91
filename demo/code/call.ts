import { session } from '../session.ts'

// A call needs no code for expired or rejected tokens:
// it waits for the shared refresh and is sent
// again, or it rejects. It never hangs.
export async function loadOrders(url: string) {
  const response = await session.fetch(url)
  return response.json()
}
