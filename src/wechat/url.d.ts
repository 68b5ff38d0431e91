/** The part of `URL` that is used here. The mini program build replaces it with `src/protocol/strict-url.ts`. */
declare class URL {
  static canParse(url: string): boolean
  constructor(url: string)
  readonly href: string
  readonly origin: string
  readonly pathname: string
  readonly protocol: string
  readonly searchParams: { set(name: string, value: string): void }
}
