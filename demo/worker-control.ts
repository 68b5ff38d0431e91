/** What the page may do to its worker. A channel of the demo's own: lingpai has nothing of the kind. */
export type WorkerCommand =
  | { readonly kind: 'kill' }
  | { readonly kind: 'jump'; readonly milliseconds: number }
  | { readonly kind: 'set-clock-right' }
  /** The next sign-ins ask the provider for this account, whoever is signed in there, and for its page in this language. */
  | { readonly kind: 'ask-for'; readonly account: string; readonly locale: string }

export interface NumberedCommand {
  readonly number: string
  readonly command: WorkerCommand
}

/** The worker's word that it has done the command of this number, or is about to be gone. */
export interface Acknowledgement {
  readonly done: string
}

const channelName = 'worker-control'
/** In milliseconds. Nobody answers where no worker runs, and then there is nothing to be done. */
const patience = 1000

export function openWorkerChannel(): BroadcastChannel {
  return new BroadcastChannel(channelName)
}

/** Resolves once a worker has done it: a call made then cannot overtake the command. */
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
