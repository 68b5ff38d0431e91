import {
  expireAccessTokens,
  failNextRefreshes,
  goOffline,
  jumpClock,
  killWorker,
  type RefreshFault,
  revokeEverything,
  type Settings,
  setAccessTokenSeconds,
  setApiDenial,
  setRefreshDelay,
  setReuseGrace,
  setRotation,
  stopFailingRefreshes,
} from '../control.ts'
import type { CodeFile } from './code.ts'

/** The calls from every tab after a press that make its effect visible, with or without an expired token. */
export type Sequel = 'calls' | 'expire-and-calls' | 'none'

interface Press {
  readonly kind: 'press'
  readonly perform: () => Promise<void>
  readonly sequel: Sequel
  /** Runs during the calls, not before them. */
  readonly isDuringCalls?: true
}

interface Switch {
  readonly kind: 'switch'
  readonly read: (settings: Settings) => boolean
  readonly perform: (isOn: boolean) => Promise<void>
  readonly sequel: Sequel
}

interface Slider {
  readonly kind: 'slider'
  readonly min: number
  readonly max: number
  readonly step: number
  readonly unit: 's' | 'ms'
  readonly read: (settings: Settings) => number
  readonly perform: (value: number) => Promise<void>
}

/** Performed by the page's own session, not by a server. */
interface Own {
  readonly kind: 'own'
}

export type Control = Press | Switch | Slider | Own

const fault = (name: RefreshFault): Press => ({
  kind: 'press',
  // Otherwise the next refresh would take an older pending failure first.
  perform: async () => {
    await stopFailingRefreshes()
    await failNextRefreshes(name)
  },
  sequel: 'expire-and-calls',
})

const hour = 3_600_000

export const controls = {
  expire: { kind: 'press', perform: expireAccessTokens, sequel: 'calls' },
  revoke: { kind: 'press', perform: revokeEverything, sequel: 'calls' },
  life: {
    kind: 'slider',
    min: 2,
    max: 60,
    step: 1,
    unit: 's',
    read: ({ accessTokenSeconds }) => accessTokenSeconds,
    perform: setAccessTokenSeconds,
  },
  'fault-503': fault('503'),
  'fault-429': fault('429'),
  'fault-hang': fault('hang'),
  'fault-lost': fault('lost'),
  'fault-invalid-grant': fault('invalid_grant'),
  delay: {
    kind: 'slider',
    min: 0,
    max: 5000,
    step: 100,
    unit: 'ms',
    read: ({ refreshDelayMilliseconds }) => refreshDelayMilliseconds,
    perform: setRefreshDelay,
  },
  rotation: { kind: 'switch', read: ({ rotation }) => rotation, perform: setRotation, sequel: 'none' },
  grace: {
    kind: 'slider',
    min: 0,
    max: 60,
    step: 5,
    unit: 's',
    read: ({ reuseGraceSeconds }) => reuseGraceSeconds,
    perform: setReuseGrace,
  },
  denial: { kind: 'switch', read: ({ apiDenial }) => apiDenial, perform: setApiDenial, sequel: 'calls' },
  offline: { kind: 'switch', read: ({ offline }) => offline, perform: goOffline, sequel: 'calls' },
  kill: { kind: 'press', perform: killWorker, sequel: 'calls', isDuringCalls: true },
  clock: { kind: 'press', perform: () => jumpClock(hour), sequel: 'calls' },
  'switch-user': { kind: 'own' },
  'sign-out-here': { kind: 'own' },
  'sign-out-everywhere': { kind: 'own' },
} as const satisfies Record<string, Control>

export type ControlName = keyof typeof controls

interface Group {
  readonly controls: readonly ControlName[]
  /** The app's code for it. */
  readonly code: CodeFile
}

export const groups = {
  tokens: { controls: ['expire', 'revoke', 'life'], code: 'call.ts' },
  tokenServer: {
    controls: [
      'fault-503',
      'fault-429',
      'fault-hang',
      'fault-lost',
      'fault-invalid-grant',
      'delay',
      'rotation',
      'grace',
    ],
    code: 'banner.ts',
  },
  network: { controls: ['denial', 'offline'], code: 'errors.ts' },
  worker: { controls: ['kill', 'clock'], code: 'session.ts' },
  user: { controls: ['switch-user', 'sign-out-here', 'sign-out-everywhere'], code: 'sign-in.ts' },
} as const satisfies Record<string, Group>

export type GroupName = keyof typeof groups
