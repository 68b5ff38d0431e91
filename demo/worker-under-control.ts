import { type Acknowledgement, type NumberedCommand, openWorkerChannel } from './worker-control.ts'

// The demo is type-checked as a page, whose `close` is the window's. In a worker, it ends the worker.
declare function close(): void

const now = Date.now
let offset = 0
Date.now = () => now() + offset

/** Further parameters of the authorization request (OpenID Connect Core §3.1.2.1). */
export const signInParameters: Record<string, string> = {}

const channel = openWorkerChannel()
channel.onmessage = ({ data }: MessageEvent<NumberedCommand | Acknowledgement>) => {
  if ('done' in data) return
  const { number, command } = data
  if (command.kind === 'jump') offset += command.milliseconds
  if (command.kind === 'set-clock-right') offset = 0
  if (command.kind === 'ask-for') {
    Object.assign(signInParameters, { prompt: 'login', login_hint: command.account, ui_locales: command.locale })
  }
  channel.postMessage({ done: number } satisfies Acknowledgement)
  if (command.kind === 'kill') close()
}
