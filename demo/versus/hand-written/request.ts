import { apiOrigin, clientId, loginPage, showToast, tokenEndpoint } from './settings.ts'

let isRefreshing = false
let pendingRequests: (() => void)[] = []

export async function request(path: string): Promise<unknown> {
  const token = localStorage.getItem('accessToken')
  const response = await fetch(apiOrigin + path, { headers: { Authorization: `Bearer ${token}` } })
  if (response.status === 401) return refreshAndRetry(path)
  if (!response.ok) throw new Error(`HTTP ${response.status}`)
  return response.json()
}

async function refreshAndRetry(path: string): Promise<unknown> {
  if (isRefreshing) {
    return new Promise((resolve) => {
      pendingRequests.push(() => resolve(request(path)))
    })
  }
  isRefreshing = true
  try {
    await refreshToken()
    for (const retry of pendingRequests) retry()
    return request(path)
  } catch (error) {
    toLogin()
    throw error
  } finally {
    pendingRequests = []
    isRefreshing = false
  }
}

async function refreshToken(): Promise<void> {
  const response = await fetch(tokenEndpoint, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'refresh_token',
      client_id: clientId,
      refresh_token: localStorage.getItem('refreshToken') ?? '',
    }),
  })
  if (!response.ok) throw new Error(`refresh: HTTP ${response.status}`)
  const tokens = await response.json()
  localStorage.setItem('accessToken', tokens.access_token)
  localStorage.setItem('refreshToken', tokens.refresh_token)
}

function toLogin(): void {
  localStorage.removeItem('accessToken')
  localStorage.removeItem('refreshToken')
  showToast('Your sign-in has ended, please sign in again')
  setTimeout(() => {
    location.href = loginPage
  }, 1200)
}
