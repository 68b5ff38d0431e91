import { platformTimers, type Timers } from '../connect/timers.ts'
import { waitFor } from '../connect/wait.ts'
import type { LoadedRecord, SavedRecord } from '../protocol/app-thread.ts'
import { LingpaiError } from '../protocol/errors.ts'

type StorageApi = Pick<WechatMiniprogram.Wx, 'setStorage' | 'getStorage' | 'removeStorage'>

/** In milliseconds. If WeChat never answers an operation, later ones must not wait for it. */
const MAX_OPERATION = 10_000

/** The first base library with `wx.setStorage`'s option `encrypt`. */
const ENCRYPTS_SINCE = [2, 21, 3]

export interface Storage {
  load(key: string): Promise<LoadedRecord>
  save(key: string, text: string): Promise<SavedRecord>
  clear(key: string): Promise<void>
}

/**
 * The mini program's storage, encrypted if the base library can do it. One operation at a time: a late write of a lost worker
 * must not overwrite the next worker's.
 *
 * @see https://developers.weixin.qq.com/miniprogram/dev/api/storage/wx.setStorage.html
 */
export function createStorage(wx: StorageApi, sdkVersion: string, timers: Timers = platformTimers): Storage {
  const isEncrypted = isAtLeast(sdkVersion, ENCRYPTS_SINCE)
  const encrypt = isEncrypted ? { encrypt: true } : {}
  let last: Promise<unknown> = Promise.resolve()

  function runInOrder<T>(work: () => Promise<T>): Promise<T> {
    const start = () => waitFor(work(), { deadline: MAX_OPERATION, timers })
    const result = last.then(start, start)
    last = result
    return result
  }

  function get(key: string, options: object): Promise<string | undefined> {
    return new Promise((resolve, reject) => {
      wx.getStorage({
        key,
        ...options,
        success: ({ data }) => resolve(typeof data === 'string' ? data : undefined),
        fail: ({ errMsg }) => {
          if (/data not found/.test(errMsg)) resolve(undefined)
          else reject(failure('read', errMsg))
        },
      })
    })
  }

  function set(key: string, data: string): Promise<void> {
    return new Promise((resolve, reject) => {
      wx.setStorage({
        key,
        data,
        ...encrypt,
        success: () => resolve(),
        fail: ({ errMsg }) => reject(failure('write', errMsg)),
      })
    })
  }

  function remove(key: string): Promise<void> {
    return new Promise((resolve, reject) => {
      wx.removeStorage({ key, success: () => resolve(), fail: ({ errMsg }) => reject(failure('delete', errMsg)) })
    })
  }

  return {
    load: (key) =>
      runInOrder(async () => {
        // An older base library may have stored the record without encryption.
        const text =
          (await get(toStorageKey(key, isEncrypted), encrypt)) ??
          (isEncrypted ? await get(toStorageKey(key, false), {}) : undefined)
        return { isEncrypted, ...(text !== undefined && { text }) }
      }),
    save: (key, text) =>
      runInOrder(async () => {
        await set(toStorageKey(key, isEncrypted), text)
        if (isEncrypted) await remove(toStorageKey(key, false))
        return { isEncrypted }
      }),
    clear: (key) =>
      runInOrder(async () => {
        await remove(toStorageKey(key, true))
        await remove(toStorageKey(key, false))
      }),
  }
}

/**
 * The prefix keeps the worker away from the rest of the app's storage. Encrypted and plain records need different keys, since
 * WeChat cannot read one as the other.
 */
function toStorageKey(key: string, isEncrypted: boolean): string {
  return isEncrypted ? `lingpai.${key}` : `lingpai.${key}.plain`
}

function isAtLeast(version: string, least: readonly number[]): boolean {
  const parts = version.split('.').map(Number)
  for (const [index, wanted] of least.entries()) {
    const part = parts[index] ?? 0
    if (part !== wanted) return part > wanted
  }
  return true
}

/** Accepts a missing errMsg: an exception here would go to WeChat, and the promise would never reject. */
function failure(what: string, errMsg: string | undefined): LingpaiError {
  return new LingpaiError(
    'store_failed',
    `WeChat could not ${what} the session in its storage (${String(errMsg).slice(0, 200)}).`,
  )
}
