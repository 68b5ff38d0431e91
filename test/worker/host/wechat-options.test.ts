import { expect, test } from 'vitest'
import { envelope } from '../../../worker/envelope.ts'
import type { ServeOptions } from '../../../worker/host/options.ts'
import { checkOptions } from '../../../worker/host/wechat-options.ts'
import { memoryStore } from '../../../worker/store/memory.ts'

const withEnvelope = (options: Parameters<typeof envelope>[0]): ServeOptions<never> => ({
  grant: { refresh: async () => ({ accessToken: 'a' }) },
  apis: [{ origin: 'https://api.example' }, { origin: 'https://other.example', envelope: envelope(options) }],
  store: memoryStore(),
})

test.each<[string, Parameters<typeof envelope>[0]]>([
  ['data', { data: (body: object) => body }],
  ['success', { success: () => true }],
  ['meaning', { meaning: () => undefined }],
])(
  'in a mini program, an envelope whose %s is a function is invalid_config: the body does not reach the worker',
  (name, options) => {
    expect(() => checkOptions(withEnvelope(options))).toThrow(`apis[1].envelope has a function, ${name}`)
  },
)

test('in a mini program, an envelope of paths and codes is accepted', () => {
  expect(() => checkOptions(withEnvelope({ code: 'meta.code', success: [0, true], data: '' }))).not.toThrow()
})
