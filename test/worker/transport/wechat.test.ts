import { expect, test, vi } from 'vitest'
import { sendGrantRequest } from '../../../worker/transport/wechat.ts'

test('a mini program has no cookies, so a grant that asks for them is invalid_config, and nothing is sent', async () => {
  const send = vi.fn()
  const request = { url: 'https://api.example/refresh', body: '{}', credentials: 'include' as const }
  await expect(sendGrantRequest({ send }, request, new AbortController().signal)).rejects.toMatchObject({
    code: 'invalid_config',
  })
  expect(send).not.toHaveBeenCalled()
})
