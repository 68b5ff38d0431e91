import { createLegacyFiles } from './files.ts'
import { type LegacyApi, startLegacyApi } from './legacy-api.ts'
import { controlLegacyApi } from './legacy-control.ts'
import { createVerifier } from './signature-check.ts'

export interface MiniprogramServerOptions {
  readonly port?: number
  /** The speed limit for files. Default: none. */
  readonly bytesPerSecond?: number
}

/** As in `demo/miniprogram/workers/token.js`. */
const secret = 'not-a-secret'

/** The server of the demo's mini program: the legacy API with files, verified signatures and control commands. */
export async function startMiniprogramServer(options: MiniprogramServerOptions = {}): Promise<LegacyApi> {
  const verifySignature = createVerifier({ algorithm: 'md5', secret })
  const files = createLegacyFiles({ ...options, verifySignature })
  const api: LegacyApi = await startLegacyApi({
    ...options,
    accessTokenSeconds: 600,
    takesUsedCodes: true,
    verifySignature,
    extension: async (request, response, subject) =>
      (await controlLegacyApi(request, response, api)) || files.answer(request, response, subject),
  })
  return api
}
