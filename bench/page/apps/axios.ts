import axios from 'axios'
import { createAuthRefresh } from 'axios-auth-refresh'

export const client = axios.create()
client.interceptors.request.use((request) => {
  request.headers.Authorization = `Bearer ${localStorage.getItem('access')}`
  return request
})
createAuthRefresh(client, async () => {
  const body = new URLSearchParams({
    grant_type: 'refresh_token',
    client_id: 'web',
    refresh_token: localStorage.getItem('refresh') ?? '',
  })
  const response = await fetch('https://id.example.com/oauth/token', { method: 'POST', body })
  const { access_token, refresh_token } = await response.json()
  localStorage.setItem('access', access_token)
  localStorage.setItem('refresh', refresh_token)
})
client.get('https://api.example.com/orders')
