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
export type { AuthorizeInput } from '../src/protocol/methods.ts'
export type {
  CancelSignal,
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
  Transaction,
} from './core/adapter.ts'
export { failed, outcomeUnknown, type RefreshVerdict, refused, rejected } from './core/verdict.ts'
export type { ApiOptions, ServeOptions } from './host/options.ts'
export { serve } from './host/serve.ts'
export { indexedDBStore } from './store/indexed-db.ts'
export { memoryStore } from './store/memory.ts'
export { type Attach, bearer, header } from './transport/attach.ts'
