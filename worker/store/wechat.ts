import type { AppThreadTable } from '../../src/protocol/app-thread.ts'
import { LingpaiError } from '../../src/protocol/errors.ts'
import type { Store, StoredSession } from '../core/adapter.ts'

export type StorageServices = Pick<AppThreadTable, 'load' | 'save' | 'clear'>

/** A store that needs the app thread: the host connects it. */
export interface WechatStore extends Store {
  readonly key: string
}

/** A store that also reports its encryption to the host. */
export interface WechatStorage extends Store {
  /** Whether the phone encrypts the session; undefined until that is known. */
  isEncrypted(): boolean | undefined
}

/**
 * Keeps the session in the mini program's storage, under `lingpai.` and the key, by default `lingpai.session`. WeChat
 * encrypts it if its base library can (2.21.3 and later).
 *
 * @throws LingpaiError `invalid_config`
 * @see https://developers.weixin.qq.com/miniprogram/dev/api/storage/wx.setStorage.html
 */
export function wechatStore({ key = 'session' }: { readonly key?: string } = {}): WechatStore {
  if (typeof key !== 'string' || !/^[\w.:-]{1,100}$/.test(key)) {
    throw new LingpaiError(
      'invalid_config',
      'wechatStore(): key must be 1 to 100 letters, digits, dots, colons or dashes.',
    )
  }
  return { key, load: notConnected, save: notConnected, clear: notConnected }
}

export function isWechatStore(store: Store): store is WechatStore {
  return store.load === notConnected
}

/** Connects a store to the storage of the app thread. */
export function openWechatStore({ key }: WechatStore, services: StorageServices): WechatStorage {
  let isEncrypted: boolean | undefined
  return {
    isEncrypted: () => isEncrypted,

    async load() {
      const { text, isEncrypted: kind } = await services.load(key)
      isEncrypted = kind
      return text === undefined ? undefined : parse(text)
    },

    async save(session: StoredSession) {
      isEncrypted = (await services.save(key, JSON.stringify(session))).isEncrypted
    },

    clear: () => services.clear(key),
  }
}

/** Other code may have replaced the text. The broker checks the parsed record. */
function parse(text: string): StoredSession | undefined {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function notConnected(): never {
  throw new LingpaiError('invalid_config', 'wechatStore() works with serve() of the WeChat worker library only.')
}
