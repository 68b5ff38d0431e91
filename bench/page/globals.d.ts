declare const __ISSUER__: string
declare const __API__: string
