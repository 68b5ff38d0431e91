export type { Broker } from '../src/protocol/broker.ts'
export type { Endpoint } from '../src/protocol/endpoint.ts'
export type { Envelope } from '../src/protocol/envelope.ts'
export {
  isLingpaiError,
  LingpaiError,
  type LingpaiErrorCode,
  type LingpaiErrorFields,
  type LingpaiErrorLike,
} from '../src/protocol/errors.ts'
export type {
  Grant,
  GrantIO,
  GrantRequest,
  GrantResponse,
  ReceivedTokens,
  RefreshOptions,
  SignableRequest,
  Signer,
  Store,
  StoredSession,
  TokenSet,
} from './core/adapter.ts'
export { failed, outcomeUnknown, type RefreshVerdict, refused, rejected } from './core/verdict.ts'
export { type EnvelopeOptions, envelope } from './grant/envelope.ts'
export { type EnvelopeGrantOptions, envelopeGrant } from './grant/envelope-grant.ts'
export type { ApiOptions, ServeOptions } from './host/options.ts'
export { serveInline } from './host/wechat-inline.ts'
export { type SortedParamsOptions, sortedParams } from './sign/sorted-params.ts'
export { memoryStore } from './store/memory.ts'
export { wechatStore } from './store/wechat.ts'
export { type Attach, bearer, header } from './transport/attach.ts'
