import { expect, test } from 'vitest'
import { isLoopbackHost, isSecure } from '../../../worker/core/loopback.ts'

test.each(['localhost', 'app.localhost', 'a.b.localhost', '[::1]', '127.0.0.1', '127.1.2.3', '127.255.255.254'])(
  '%s is this machine',
  (host) => {
    expect(isLoopbackHost(host)).toBe(true)
  },
)

// With plain http to any of these, anyone on the network path could read the tokens (RFC 8252 §8.3).
test.each([
  '',
  'example.com',
  'localhost.example.com',
  'mylocalhost',
  '.localhost.example',
  '[::2]',
  '::1',
  '10.0.0.1',
  '128.0.0.1',
  '127.0.0',
  '127.0.0.0.1',
  '127.0.0.1.example.com',
  'www.127.0.0.1',
  '127.a.b.c',
])('%j is not this machine', (host) => {
  expect(isLoopbackHost(host)).toBe(false)
})

test.each(['https://example.com', 'https://localhost', 'http://localhost:1', 'http://127.0.0.1', 'http://[::1]/x'])(
  'tokens may go to %s',
  (url) => {
    expect(isSecure(new URL(url))).toBe(true)
  },
)

test.each(['http://example.com', 'ws://localhost', 'javascript:localhost', 'ftp://localhost', 'data:,https'])(
  'no token may go to %s',
  (url) => {
    expect(isSecure(new URL(url))).toBe(false)
  },
)
