import { createAlova } from 'alova'
import { createServerTokenAuthentication } from 'alova/client'
import adapterFetch from 'alova/fetch'

const { onAuthRequired, onResponseRefreshToken } = createServerTokenAuthentication({
  assignToken(method) {
    method.config.headers.Authorization = `Bearer ${localStorage.getItem('access')}`
  },
  refreshTokenOnSuccess: {
    isExpired: ({ status }) => status === 401,
    async handler() {
      const body = new URLSearchParams({
        grant_type: 'refresh_token',
        client_id: 'web',
        refresh_token: localStorage.getItem('refresh') ?? '',
      })
      const response = await fetch('https://id.example.com/oauth/token', { method: 'POST', body })
      const { access_token, refresh_token } = await response.json()
      localStorage.setItem('access', access_token)
      localStorage.setItem('refresh', refresh_token)
    },
  },
})
export const client = createAlova({
  requestAdapter: adapterFetch(),
  cacheFor: null,
  shareRequest: false,
  beforeRequest: onAuthRequired(),
  responded: onResponseRefreshToken((response) => response.json()),
})
client.Get('https://api.example.com/orders')
