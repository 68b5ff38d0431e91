/** As far as it is used; the mini program build puts `src/protocol/strict-url.ts` in its place. */
declare class URL {
  static canParse(url: string): boolean
  constructor(url: string)
  readonly href: string
  readonly origin: string
  readonly pathname: string
  readonly searchParams: { set(name: string, value: string): void }
}
