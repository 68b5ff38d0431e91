import { expect, test, vi } from 'vitest'
import { createFiles } from '../../../src/wechat/files.ts'

/** A file system with one file, which may fail to be read. */
function createFileSystem({ size = 5, data = 'hello' as unknown, infoFails = false, readFails = false } = {}) {
  const readFile = vi.fn(({ success, fail }) => (readFails ? fail({ errMsg: 'no' }) : success({ data })))
  const unlink = vi.fn()
  const manager = {
    getFileInfo: ({ success, fail }: Record<string, (answer: object) => void>) =>
      infoFails ? fail?.({ errMsg: 'no such file' }) : success?.({ size }),
    readFile,
    unlink,
  }
  return { files: createFiles({ getFileSystemManager: () => manager } as never), readFile, unlink }
}

test("a short file's text is read as UTF-8", async () => {
  const { files, readFile } = createFileSystem()
  expect(await files.readShortText('/tmp/1', 5)).toBe('hello')
  expect(readFile.mock.calls[0]?.[0]).toMatchObject({ filePath: '/tmp/1', encoding: 'utf8' })
})

test('a file above the limit is not read', async () => {
  const { files, readFile } = createFileSystem({ size: 6 })
  expect(await files.readShortText('/tmp/1', 5)).toBeUndefined()
  expect(readFile).not.toHaveBeenCalled()
})

test.each<[string, Parameters<typeof createFileSystem>[0]]>([
  ['is not there', { infoFails: true }],
  ['cannot be read', { readFails: true }],
  ['is not text', { data: new ArrayBuffer(1) }],
])('readShortText resolves with undefined for a file that %s', async (_what, changes) => {
  expect(await createFileSystem(changes).files.readShortText('/tmp/1', 5)).toBeUndefined()
})

test('readShortText resolves with undefined if there is no file system', async () => {
  const wx = {
    getFileSystemManager: () => {
      throw new Error('not supported')
    },
  }
  expect(await createFiles(wx as never).readShortText('/tmp/1', 5)).toBeUndefined()
})

test('a file is removed by its path', () => {
  const { files, unlink } = createFileSystem()
  files.remove('/tmp/1')
  expect(unlink.mock.calls).toEqual([[expect.objectContaining({ filePath: '/tmp/1' })]])
})
