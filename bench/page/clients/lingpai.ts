import { connect, type Hosts, type Session } from 'lingpai'
import { control } from '../control.ts'
import { type Client, readGood } from './client.ts'

export type Host = 'shared' | 'dedicated'

export interface LingpaiClient extends Client {
  readonly session: Session
}

/** Without a broker type, because the bench does not use its sign-in. */
export const connectTo = (hosts: Hosts): Session => connect(hosts)

export async function createLingpai(host: Host, tab: number, hosts = hostsOf(host)): Promise<LingpaiClient> {
  const session = connectTo(hosts)
  if (tab === 0) {
    const { accessToken, refreshToken, expiresIn } = await control.signIn()
    await session.adopt({ accessToken, refreshToken, expiresIn })
  }
  await isSignedIn(session)
  return { session, read: async (url) => readGood(await session.fetch(url)) }
}

function hostsOf(host: Host): Hosts {
  if (host === 'dedicated') {
    return { dedicated: () => new Worker(new URL('../token.worker.ts', import.meta.url), { type: 'module' }) }
  }
  return {
    shared: () => new SharedWorker(new URL('../token.worker.ts', import.meta.url), { type: 'module', name: 'session' }),
  }
}

function isSignedIn(session: Session): Promise<void> {
  return new Promise((resolve) => {
    const look = () => {
      if (session.getSnapshot().status !== 'signed-in') return
      stop()
      resolve()
    }
    const stop = session.subscribe(look)
    queueMicrotask(look)
  })
}
