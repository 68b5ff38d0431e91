import { createAwakeTimers } from '../../src/protocol/awake-timers.ts'
import type { Platform } from '../core/adapter.ts'
import { platform } from './platform.ts'

/** The clock and timers of a mini program. Time that the app is frozen in the background does not count. */
export const wechatPlatform: Platform = { ...platform, ...createAwakeTimers(platform, platform.now) }

/** A random id that is unique, but not secret: the workers of mini programs have no secure random source. */
export function createUniqueId(): string {
  const random = () => Math.random().toString(36).slice(2)
  return `${Date.now().toString(36)}${random()}${random()}`.slice(0, 32)
}
