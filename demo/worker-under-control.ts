import { type Acknowledgement, type NumberedCommand, openWorkerChannel } from './worker-control.ts'

// The demo is type-checked as a page, where `close` is a window's; in a worker it ends the worker.
declare function close(): void

const now = Date.now
let offset = 0
Date.now = () => now() + offset

const channel = openWorkerChannel()
channel.onmessage = ({ data }: MessageEvent<NumberedCommand | Acknowledgement>) => {
  if ('done' in data) return
  const { number, command } = data
  if (command.kind === 'jump') offset += command.milliseconds
  if (command.kind === 'set-clock-right') offset = 0
  channel.postMessage({ done: number } satisfies Acknowledgement)
  if (command.kind === 'kill') close()
}
