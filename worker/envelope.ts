export type { Envelope } from '../src/protocol/envelope.ts'
export type { SignableRequest, Signer } from './core/adapter.ts'
export type { EnvelopeCall } from './grant/envelope/call.ts'
export type { TokenFields } from './grant/envelope/token-fields.ts'
export { type Code, type EnvelopeOptions, envelope } from './grant/envelope.ts'
export { type EnvelopeGrantOptions, envelopeGrant } from './grant/envelope-grant.ts'
export type { HashAlgorithm } from './sign/hash.ts'
export {
  type SignatureFields,
  type SignerPlatform,
  type SortedParamsOptions,
  sortedParams,
} from './sign/sorted-params.ts'
