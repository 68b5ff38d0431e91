/** The page's commands for its worker, over the demo's own channel. lingpai has no such commands. */
export type WorkerCommand =
  | { readonly kind: 'kill' }
  | { readonly kind: 'jump'; readonly milliseconds: number }
  | { readonly kind: 'set-clock-right' }
  /** Makes the next sign-ins ask the provider for this account, and for its page in this language. */
  | { readonly kind: 'ask-for'; readonly account: string; readonly locale: string }

export interface NumberedCommand {
  readonly number: string
  readonly command: WorkerCommand
}

/** The worker's confirmation that it has done the command with this number, or is about to end. */
export interface Acknowledgement {
  readonly done: string
}

const channelName = 'worker-control'
/** The timeout in milliseconds. If no worker runs, no confirmation arrives, and the command is not needed. */
const patience = 1000

export function openWorkerChannel(): BroadcastChannel {
  return new BroadcastChannel(channelName)
}

/** Resolves after a worker has done the command, so that a later call cannot overtake it. */
export function tellWorker(command: WorkerCommand): Promise<void> {
  const channel = openWorkerChannel()
  const number = crypto.randomUUID()
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer)
      channel.close()
      resolve()
    }
    const timer = setTimeout(end, patience)
    channel.onmessage = ({ data }: MessageEvent<NumberedCommand | Acknowledgement>) => {
      if ('done' in data && data.done === number) end()
    }
    channel.postMessage({ number, command } satisfies NumberedCommand)
  })
}
