import { isLingpaiError, type Session } from 'lingpai'

export async function loadOrders(session: Pick<Session, 'request'>): Promise<string> {
  try {
    const orders = await session.request<{ item: string }[]>({ url: 'https://api.example.com/orders' })
    return orders.map(({ item }) => item).join(', ')
  } catch (error) {
    if (isLingpaiError(error) && error.code === 'sign_in_required') return 'Please sign in'
    throw error
  }
}
