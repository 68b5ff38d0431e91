import { createAwakeTimers } from '../../src/protocol/awake-timers.ts'
import type { Platform } from '../core/adapter.ts'
import { platform } from './platform.ts'

/** The clock and timers of a mini program, whose freezes in the background count for no deadline. */
export const wechatPlatform: Platform = { ...platform, ...createAwakeTimers(platform, platform.now) }

/** A random name, new at each call. Mini program workers have no source of secure randomness, and this is not a secret. */
export function createId(): string {
  const random = () => Math.random().toString(36).slice(2)
  return `${Date.now().toString(36)}${random()}${random()}`.slice(0, 32)
}
