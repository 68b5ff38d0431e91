import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { downloadBytes } from '../http/download-bytes.ts'
import { isJsonObject, type JsonObject, parseJson } from '../http/json.ts'
import { readBody } from '../http/request-body.ts'
import { legacyCodes, refuse, succeed } from './answers.ts'

export interface LegacyFilesOptions {
  verifySignature(parameters: JsonObject): boolean
  /** The speed limit for files, so that progress is visible on a fast network. Default: none. */
  readonly bytesPerSecond?: number
}

interface StoredFile {
  readonly id: string
  readonly subject: string
  readonly name: string
  readonly type: string
  readonly bytes: Buffer
}

const longestUpload = 10 * 1024 * 1024
const mostFiles = 20
const chunkLength = 32 * 1024

/** A file that can always be downloaded. */
const sample: Omit<StoredFile, 'subject'> = {
  id: 'sample',
  name: 'sample.bin',
  type: 'application/octet-stream',
  bytes: downloadBytes(0, 512 * 1024),
}

/** The legacy API's calls for files, kept in memory: `/upload` (a form), `/files`, and `GET /download?id=`. */
export function createLegacyFiles({ verifySignature, bytesPerSecond = Number.POSITIVE_INFINITY }: LegacyFilesOptions) {
  const files: StoredFile[] = []

  async function upload(request: IncomingMessage, response: ServerResponse, subject: string | undefined) {
    const form = await readForm(request)
    const file = form?.get('file')
    if (form === undefined || !(file instanceof Blob)) {
      refuse(response, legacyCodes.badRequest, 'a form with a file of at most 10 MB is wanted', 400)
      return
    }
    const fields = Object.fromEntries([...form].filter(([, value]) => typeof value === 'string'))
    if (!isAdmitted(response, subject, fields)) return
    const bytes = Buffer.from(await file.arrayBuffer())
    const stored = { id: randomBytes(6).toString('hex'), subject, name: file.name, type: file.type, bytes }
    files.unshift(stored)
    files.length = Math.min(files.length, mostFiles)
    succeed(response, describe(stored))
  }

  async function list(request: IncomingMessage, response: ServerResponse, subject: string | undefined) {
    const parameters = parseJson((await readBody(request)).toString())
    if (!isAdmitted(response, subject, isJsonObject(parameters) ? parameters : {})) return
    succeed(response, files.filter((file) => file.subject === subject).map(describe))
  }

  async function download({ url = '/' }: IncomingMessage, response: ServerResponse, subject: string | undefined) {
    const parameters = Object.fromEntries(new URL(url, 'http://localhost').searchParams)
    if (!isAdmitted(response, subject, parameters)) return
    const own = files.filter((file) => file.subject === subject)
    const file = [sample, ...own].find(({ id }) => id === parameters.id)
    if (file === undefined) refuse(response, legacyCodes.notFound, 'no such file', 404)
    else await send(response, file, bytesPerSecond)
  }

  function isAdmitted(
    response: ServerResponse,
    subject: string | undefined,
    parameters: JsonObject,
  ): subject is string {
    if (!verifySignature(parameters)) refuse(response, legacyCodes.badRequest, 'the signature is wrong', 400)
    else if (subject === undefined) refuse(response, legacyCodes.tokenExpired, 'token expired', 401)
    else return true
    return false
  }

  return {
    /** Returns false for a request that is not about files. */
    async answer(request: IncomingMessage, response: ServerResponse, subject: string | undefined): Promise<boolean> {
      const { pathname } = new URL(request.url ?? '/', 'http://localhost')
      if (request.method === 'POST' && pathname === '/upload') await upload(request, response, subject)
      else if (request.method === 'POST' && pathname === '/files') await list(request, response, subject)
      else if (request.method === 'GET' && pathname === '/download') await download(request, response, subject)
      else return false
      return true
    },
  }
}

async function readForm(request: IncomingMessage): Promise<FormData | undefined> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request) {
    length += chunk.length
    if (length <= longestUpload) chunks.push(chunk)
  }
  if (length > longestUpload) return undefined
  const headers = { 'content-type': request.headers['content-type'] ?? '' }
  return new Response(Buffer.concat(chunks), { headers }).formData().catch(() => undefined)
}

async function send(response: ServerResponse, { type, bytes }: Omit<StoredFile, 'subject'>, bytesPerSecond: number) {
  response.writeHead(200, { 'Content-Type': type || 'application/octet-stream', 'Content-Length': bytes.length })
  for (let start = 0; start < bytes.length && !response.destroyed; start += chunkLength) {
    response.write(bytes.subarray(start, start + chunkLength))
    await delay((chunkLength / bytesPerSecond) * 1000)
  }
  response.end()
}

function describe({ id, name, type, bytes }: StoredFile): JsonObject {
  return { id, name, type, size: bytes.length }
}
