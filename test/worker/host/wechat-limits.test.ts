import { expect, test } from 'vitest'
import { envelope } from '../../../worker/envelope.ts'
import { parseOptions, type ServeOptions } from '../../../worker/host/options.ts'
import { checkLimits } from '../../../worker/host/wechat-limits.ts'
import { memoryStore } from '../../../worker/store/memory.ts'

const withEnvelope = (options: Parameters<typeof envelope>[0]) =>
  parseOptions({
    grant: { refresh: async () => ({ accessToken: 'a' }) },
    apis: [{ origin: 'https://api.example' }, { origin: 'https://other.example', envelope: envelope(options) }],
    store: memoryStore(),
  } as ServeOptions<never>)

test.each<[string, Parameters<typeof envelope>[0]]>([
  ['data', { data: (body: object) => body }],
  ['success', { success: () => true }],
  ['meaning', { meaning: () => undefined }],
])(
  'in a mini program, an envelope whose %s is a function is invalid_config: the body does not reach the worker',
  (name, options) => {
    expect(() => checkLimits(withEnvelope(options))).toThrow(`apis[1].envelope has a function, ${name}`)
  },
)

test('in a mini program, an envelope of paths and codes is accepted', () => {
  expect(() => checkLimits(withEnvelope({ code: 'meta.code', success: [0, true], data: '' }))).not.toThrow()
})
