/** One request to a scripted server, or to a URL that no server has. Holds names of tokens, never a token. */
export interface TestLogEntry {
  /** When it was sent, in milliseconds since the test began. */
  readonly at: number
  readonly to: 'authorization server' | 'API' | 'elsewhere'
  readonly kind: 'discovery' | 'authorization' | 'signIn' | 'refresh' | 'revocation' | 'call'
  readonly method: string
  /** For the authorization server without the query, which may carry secrets. */
  readonly url: string
  /** Name of the request's token, such as `access-3` for the third access token that was issued. */
  readonly token?: string
  /** The user of that token. */
  readonly user?: string
  /** The body of a request to an API, if it was a string. */
  readonly body?: string
  /** The HTTP status, or how the request ended. `lost`: the network failed. `refused`: no server has this URL. */
  readonly outcome: number | 'pending' | 'lost' | 'aborted' | 'refused'
  /** The OAuth error of the response, such as `invalid_grant`. */
  readonly error?: string
  /** When it ended, in milliseconds since the test began. */
  readonly endedAt?: number
}

type Writable<T> = { -readonly [Name in keyof T]: T[Name] }

/** Keeps all requests and notes, in the order in which they began. */
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

    toText: (): string => story.map((part) => (typeof part === 'string' ? part : formatEntry(part))).join('\n'),
  }
}

export type Log = ReturnType<typeof createLog>

function formatEntry({ at, to, kind, method, url, token, outcome, error, endedAt }: TestLogEntry): string {
  const what = kind === 'call' ? `${method} ${url}` : kind
  const delay = endedAt !== undefined && endedAt > at ? ` after ${endedAt - at} ms` : ''
  return `${toSeconds(at)}  ${to}: ${what}${token ? ` with ${token}` : ''} → ${outcome}${error ? ` ${error}` : ''}${delay}`
}

function toSeconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(3)} s`
}
