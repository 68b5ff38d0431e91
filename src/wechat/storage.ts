import { platformTimers, type Timers } from '../connect/timers.ts'
import { waitFor } from '../connect/wait.ts'
import type { LoadedRecord, SavedRecord } from '../protocol/app-thread.ts'
import { LingpaiError } from '../protocol/errors.ts'

type StorageApi = Pick<WechatMiniprogram.Wx, 'setStorage' | 'getStorage' | 'removeStorage'>

/** An operation that WeChat has not answered by then is not waited for: it must not keep every later one. In milliseconds. */
const MAX_OPERATION = 10_000

/** Of `wx.setStorage`'s option `encrypt`. */
const ENCRYPTS_SINCE = [2, 21, 3]

export interface Storage {
  load(key: string): Promise<LoadedRecord>
  save(key: string, text: string): Promise<SavedRecord>
  clear(key: string): Promise<void>
}

/**
 * The mini program's storage, encrypted where the base library can. One operation at a time: what a lost worker still
 * wrote must not overtake what its successor does.
 *
 * @see https://developers.weixin.qq.com/miniprogram/dev/api/storage/wx.setStorage.html
 */
export function createStorage(wx: StorageApi, sdkVersion: string, timers: Timers = platformTimers): Storage {
  const isEncrypted = isAtLeast(sdkVersion, ENCRYPTS_SINCE)
  const encrypt = isEncrypted ? { encrypt: true } : {}
  let last: Promise<unknown> = Promise.resolve()

  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const start = () => waitFor(work(), { deadline: MAX_OPERATION, timers })
    const turn = last.then(start, start)
    last = turn
    return turn
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
      inTurn(async () => {
        // What an older base library has left in the clear is found too.
        const text =
          (await get(keptAs(key, isEncrypted), encrypt)) ??
          (isEncrypted ? await get(keptAs(key, false), {}) : undefined)
        return { isEncrypted, ...(text !== undefined && { text }) }
      }),
    save: (key, text) =>
      inTurn(async () => {
        await set(keptAs(key, isEncrypted), text)
        if (isEncrypted) await remove(keptAs(key, false))
        return { isEncrypted }
      }),
    clear: (key) =>
      inTurn(async () => {
        await remove(keptAs(key, true))
        await remove(keptAs(key, false))
      }),
  }
}

/**
 * Under a prefix, so that the worker can reach nothing else of the app's storage; and under two names, since reading one kind
 * as the other fails.
 */
function keptAs(key: string, isEncrypted: boolean): string {
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

/** A failure without a word must still reject: thrown here, its error would go to WeChat. */
function failure(what: string, errMsg: string | undefined): LingpaiError {
  return new LingpaiError(
    'store_failed',
    `WeChat could not ${what} the session in its storage (${String(errMsg).slice(0, 200)}).`,
  )
}
