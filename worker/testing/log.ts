/** One request that came to a scripted server, or one that had nowhere to go. Holds no token: only their names. */
export interface TestLogEntry {
  /** When it was sent, in milliseconds since the test began. */
  readonly at: number
  readonly to: 'authorization server' | 'API' | 'elsewhere'
  /** What it asks for. */
  readonly kind: 'discovery' | 'authorization' | 'signIn' | 'refresh' | 'revocation' | 'call'
  readonly method: string
  /** Of the authorization server's, without the query, which may carry secrets. */
  readonly url: string
  /** Name of the token that it carries, `access-3` for the third access token that was issued. */
  readonly token?: string
  /** Whose token it was. */
  readonly user?: string
  /** What was sent to an API, where that was text. */
  readonly body?: string
  /** The HTTP status of the answer, or what became of it. `lost`: the network failed; `refused`: no server has this URL. */
  readonly outcome: number | 'pending' | 'lost' | 'aborted' | 'refused'
  /** The OAuth error of the answer, such as `invalid_grant`. */
  readonly error?: string
  /** When it ended, in milliseconds since the test began. */
  readonly endedAt?: number
}

type Writable<T> = { -readonly [Name in keyof T]: T[Name] }

/** Everything that happened in the order in which it began. */
export function createLog(elapsed: () => number) {
  const entries: Writable<TestLogEntry>[] = []
  const story: (TestLogEntry | string)[] = []
  return {
    entries: entries as readonly TestLogEntry[],

    add(entry: Omit<TestLogEntry, 'at' | 'outcome' | 'endedAt'>) {
      const added: Writable<TestLogEntry> = { at: elapsed(), ...entry, outcome: 'pending' }
      entries.push(added)
      story.push(added)
      return {
        end(outcome: TestLogEntry['outcome'], error?: string): void {
          added.outcome = outcome
          if (error !== undefined) added.error = error
          added.endedAt = elapsed()
        },
      }
    },

    note(text: string): void {
      story.push(`${toSeconds(elapsed())}  ${text}`)
    },

    tell: (): string => story.map((part) => (typeof part === 'string' ? part : tellEntry(part))).join('\n'),
  }
}

export type Log = ReturnType<typeof createLog>

function tellEntry({ at, to, kind, method, url, token, outcome, error, endedAt }: TestLogEntry): string {
  const what = kind === 'call' ? `${method} ${url}` : kind
  const late = endedAt !== undefined && endedAt > at ? ` after ${endedAt - at} ms` : ''
  return `${toSeconds(at)}  ${to}: ${what}${token ? ` with ${token}` : ''} → ${outcome}${error ? ` ${error}` : ''}${late}`
}

function toSeconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(3)} s`
}
