/** The parts that the authorization server uses. The package ships no types. */
declare module 'oidc-provider' {
  import type { IncomingMessage, ServerResponse } from 'node:http'

  export interface AdapterPayload {
    [key: string]: unknown
    consumed?: unknown
    grantId?: string
    uid?: string
    userCode?: string
  }

  export interface Adapter {
    upsert(id: string, payload: AdapterPayload, expiresIn?: number): Promise<void>
    find(id: string): Promise<AdapterPayload | undefined>
    findByUid(uid: string): Promise<AdapterPayload | undefined>
    findByUserCode(userCode: string): Promise<AdapterPayload | undefined>
    consume(id: string): Promise<void>
    destroy(id: string): Promise<void>
    revokeByGrantId(grantId: string): Promise<void>
  }

  export interface Grant {
    readonly accountId?: string
    addOIDCScope(scope: string): void
    save(): Promise<string>
  }

  export interface GrantModel {
    new (properties: { accountId: string; clientId: string }): Grant
    find(id: string): Promise<Grant | undefined>
  }

  export interface Interaction {
    readonly uid: string
    readonly prompt: { readonly name: string; readonly details: { readonly missingOIDCScope?: readonly string[] } }
    readonly params: {
      readonly client_id: string
      readonly scope?: string
      readonly login_hint?: string
      readonly ui_locales?: string
    }
    readonly session?: { readonly accountId: string }
    readonly grantId?: string
  }

  export type InteractionResult =
    | { readonly login: { readonly accountId: string } }
    | { readonly consent: { readonly grantId: string } }
    | { readonly error: string; readonly error_description: string }

  /** The context of one request, which Koa and oidc-provider pass to middleware and settings. */
  export interface Context {
    readonly method: string
    readonly path: string
    readonly req: IncomingMessage
    readonly res: ServerResponse
    status: number
    type: string
    body: unknown
    /** If false, Koa does not write the response. */
    respond?: boolean
    readonly oidc: {
      readonly provider: Provider
      readonly client: { readonly clientId: string }
      readonly session: { readonly accountId?: string; grantIdFor(clientId: string): string | undefined }
      readonly requestParamOIDCScopes: ReadonlySet<string>
      readonly result?: { readonly consent?: { readonly grantId: string } }
    }
  }

  export interface Account {
    readonly accountId: string
    claims(): { sub: string; [claim: string]: unknown }
  }

  export class Provider {
    constructor(issuer: string, configuration: Readonly<Record<string, unknown>>)
    readonly Grant: GrantModel
    readonly AccessToken: {
      find(
        value: string,
        options: { ignoreExpiration: boolean },
      ): Promise<{ readonly accountId: string; readonly jkt?: string } | undefined>
    }
    use(middleware: (context: Context, next: () => Promise<void>) => Promise<void>): this
    on(event: 'server_error', listener: (context: Context, error: Error) => void): this
    on(event: 'end_session.success', listener: (context: Context) => void): this
    callback(): (request: IncomingMessage, response: ServerResponse) => Promise<void>
    interactionDetails(request: IncomingMessage, response: ServerResponse): Promise<Interaction>
    interactionFinished(
      request: IncomingMessage,
      response: ServerResponse,
      result: InteractionResult,
      options: { mergeWithLastSubmission: boolean },
    ): Promise<void>
  }

  export const errors: { readonly SessionNotFound: new (...parameters: never[]) => Error }
}
