/** As far as it is used; the mini program build brings the whole of it. */
declare class URL {
  static canParse(url: string): boolean
  constructor(url: string)
  readonly href: string
  readonly origin: string
  readonly pathname: string
  readonly searchParams: { set(name: string, value: string): void }
}
