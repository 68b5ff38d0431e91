import { explainMethod } from '../protocol/app-thread.ts'
import { DEFAULT_TIMEOUT } from '../protocol/deadline.ts'
import { isSuccess, openEnvelope } from '../protocol/envelope.ts'
import { LingpaiError } from '../protocol/errors.ts'
import { isRedirect } from '../protocol/http.ts'
import { toQuery } from '../query.ts'
import type {
  CallOptions,
  DownloadedFile,
  DownloadFile,
  RequestOptions,
  UploadFile,
  UploadOptions,
  WechatRequest,
} from './mini-program-session.ts'
import type { DownloadAnswer, Network } from './network.ts'
import type { TaskOptions, TaskPlan, Tasks } from './tasks.ts'

const CALLBACK = 'success, fail and complete are not called: await the promise that it returns'
const FOREIGN_OPTIONS: Readonly<Record<string, string>> = {
  header: 'the option is called headers, not header',
  body: 'the option is called data, not body',
  params: 'the option is called data, not params',
  success: CALLBACK,
  fail: CALLBACK,
  complete: CALLBACK,
}
/** In bytes. An API's error body is short; a longer body is the requested file. */
const MAX_REFUSAL = 1 << 16

export interface FileReader {
  /** The file's text; undefined if the file is longer or is not text. */
  readShortText(path: string, longest: number): Promise<string | undefined>
  remove(path: string): void
}

export interface CallHost {
  readonly tasks: Pick<Tasks, 'run'>
  readonly network: Network
  readonly files: FileReader
}

/** The calls of a mini program's pages. */
export function createCalls({ tasks, network, files }: CallHost) {
  async function run<Answer, Result>(plan: TaskPlan<Answer, Result>, options: TaskOptions): Promise<Result> {
    try {
      return await tasks.run(plan, options)
    } catch (cause) {
      throw options.signal?.aborted ? new LingpaiError('aborted', 'The request was aborted.', { cause }) : cause
    }
  }

  const request: WechatRequest = async <T>(options: RequestOptions): Promise<T> => {
    const { method = 'GET', data, timeout = DEFAULT_TIMEOUT, signal } = checkOptions(options, 'request')
    const verb = checkMethod(method)
    const hasQuery = verb === 'GET' || verb === 'HEAD'
    const plain = data === undefined ? undefined : toJson('request', data)
    return run(
      {
        ...planHead(options, hasQuery ? plain : undefined),
        method: verb,
        data: hasQuery ? undefined : plain,
        send: ({ url, method, headers, data: signed, ticket }) => {
          const body = signed ?? (hasQuery ? undefined : plain)
          return network.request({
            url,
            method,
            headers: withContentType(headers),
            ...(body !== undefined && { body: JSON.stringify(body) }),
            // Without it, WeChat's default or the value in app.json could end the request earlier.
            timeout: toDeadline(timeout),
            refusesRedirects: ticket !== undefined,
          })
        },
        summarize: ({ status, text }, envelope) => ({
          ...openEnvelope(envelope, status, text).summary,
          ...(isRedirect(status) && { isRedirect: true }),
        }),
        deliver: ({ status, text }, envelope) => openEnvelope(envelope, status, text).payload as T,
      },
      { deadline: toDeadline(timeout), signal },
    )
  }

  const uploadFile: UploadFile = async <T>(options: UploadOptions): Promise<T> => {
    const { filePath, name, formData, onProgress, timeout, signal } = checkOptions(options, 'uploadFile')
    if (typeof filePath !== 'string' || filePath === '') throw invalid('uploadFile', 'filePath is missing')
    if (typeof name !== 'string' || name === '')
      throw invalid('uploadFile', 'name, the form field of the file, is missing')
    const fields = formData === undefined ? undefined : toForm(formData)
    return run(
      {
        ...planHead(options, undefined),
        method: 'POST',
        // An empty form must be signed too.
        data: fields ?? {},
        send: ({ url, headers, data: signed }) => {
          const form = signed === undefined ? fields : toForm(signed)
          return network.uploadFile({
            url,
            headers,
            filePath,
            name,
            timeout,
            onProgress: guardProgress(onProgress),
            ...(form !== undefined && { formData: form }),
          })
        },
        summarize: ({ status, text }, envelope) => openEnvelope(envelope, status, text).summary,
        deliver: ({ status, text }, envelope) => openEnvelope(envelope, status, text).payload as T,
      },
      { deadline: undefined, signal },
    )
  }

  const downloadFile: DownloadFile = async (options) => {
    const { filePath, onProgress, timeout, signal } = checkOptions(options, 'downloadFile')
    return run(
      {
        ...planHead(options, undefined),
        method: 'GET',
        data: undefined,
        send: ({ url, headers }) => {
          const running = network.downloadFile({
            url,
            headers,
            filePath,
            timeout,
            onProgress: guardProgress(onProgress),
          })
          return { ...running, answer: running.answer.then(readRefusal) }
        },
        // Parse only error bodies; a downloaded file is not JSON.
        summarize: ({ status, refusal }, envelope) => {
          const { summary } = openEnvelope(envelope, status, refusal ?? '')
          const isComplete = status >= 200 && status < 300
          const isRefusal = summary.apiCode !== undefined && !(envelope && isSuccess(envelope, summary.apiCode))
          // To the worker, a file with a code of success is a success.
          const [success] = Array.isArray(envelope?.success) ? envelope.success : []
          return isComplete && !isRefusal
            ? { status, isReadable: true, ...(success !== undefined && { apiCode: success }) }
            : summary
        },
        discard({ file }, isReplaced) {
          // If the app has given a filePath, the replay may be writing that file at this moment.
          const path = isReplaced ? file.tempFilePath : (file.filePath ?? file.tempFilePath)
          if (path !== undefined) files.remove(path)
        },
        deliver: ({ file }) => file,
      },
      { deadline: undefined, signal },
    )
  }

  /** `wx.downloadFile` writes an error body into the file too, with any status. */
  async function readRefusal({ status, tempFilePath, filePath }: DownloadAnswer) {
    const path = filePath ?? tempFilePath
    const text = path === undefined ? undefined : await files.readShortText(path, MAX_REFUSAL)
    const file: DownloadedFile = {
      statusCode: status,
      ...(tempFilePath !== undefined && { tempFilePath }),
      ...(filePath !== undefined && { filePath }),
    }
    return { status, file, refusal: text !== undefined && /^\s*\{/.test(text) ? text : undefined }
  }

  return { request, uploadFile, downloadFile }
}

function planHead({ url, headers = {}, auth }: CallOptions, query: unknown) {
  const target = new URL(url)
  for (const [name, value] of toFields(query)) target.searchParams.set(name, value)
  return { url: target.href, headers: Object.entries(headers), auth }
}

function toFields(query: unknown): [string, string][] {
  try {
    return toQuery(query)
  } catch (error) {
    throw invalid('request', (error as Error).message)
  }
}

function checkOptions<Options extends CallOptions>(options: Options, call: string): Options {
  const given: Partial<Options> = options ?? {}
  const { url, headers = {}, auth } = given
  // The strict URL refuses xn-- labels too: their check needs Unicode's tables.
  if (typeof url === 'string' && /^https?:\/\/[^/?#]*(?:[^/?#\0-\x7f]|\bxn--)/i.test(url))
    throw invalid(call, 'url must have a plain ASCII domain name, also without xn--')
  if (typeof url !== 'string' || !URL.canParse(url) || !/^https?:/.test(url))
    throw invalid(call, 'url must be an absolute URL such as "https://api.example.com/orders"')
  // Otherwise an option that has another name in wx.request would be ignored, and a callback would never be called.
  for (const [name, remedy] of Object.entries(FOREIGN_OPTIONS)) {
    if ((given as Record<string, unknown>)[name] !== undefined) throw invalid(call, remedy)
  }
  if (
    typeof headers !== 'object' ||
    headers === null ||
    !Object.values(headers).every((value) => typeof value === 'string')
  )
    throw invalid(call, 'headers must be an object of strings')
  if (auth !== undefined && typeof auth !== 'boolean') throw invalid(call, 'auth must be true or false')
  const { timeout } = given as { timeout?: unknown }
  if (timeout !== undefined && !(typeof timeout === 'number' && timeout >= 0))
    throw invalid(call, 'timeout must be milliseconds')
  return options
}

function checkMethod(method: unknown): string {
  const verb = typeof method === 'string' ? method.toUpperCase() : ''
  const problem = explainMethod(verb)
  if (problem !== undefined) throw invalid('request', problem)
  return verb
}

/** A JSON copy, so that a signer sees the same data as the server. */
function toJson(call: string, data: unknown): unknown {
  try {
    return JSON.parse(JSON.stringify(data))
  } catch {
    throw invalid(call, 'data is not JSON')
  }
}

/** A form carries only text. A signer must see the text that is sent. */
function toForm(data: unknown): Record<string, string> {
  const fields = toJson('uploadFile', data)
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields))
    throw invalid('uploadFile', 'formData must be an object')
  return Object.fromEntries(
    Object.entries(fields)
      .filter(([, value]) => value !== null)
      .map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)]),
  )
}

function toDeadline(timeout: number): number {
  // A longer timer would fire at once.
  return Math.min(timeout, 2 ** 31 - 1)
}

function withContentType(headers: readonly (readonly [string, string])[]): readonly (readonly [string, string])[] {
  const isGiven = headers.some(([name]) => name.toLowerCase() === 'content-type')
  return isGiven ? headers : [...headers, ['content-type', 'application/json']]
}

/** An error in the app's callback must not end the transfer. */
function guardProgress<Progress>(
  onProgress: ((progress: Progress) => void) | undefined,
): ((progress: Progress) => void) | undefined {
  if (onProgress === undefined) return undefined
  return (progress) => {
    try {
      onProgress(progress)
    } catch (error) {
      console.error(error)
    }
  }
}

function invalid(call: string, why: string): LingpaiError {
  return new LingpaiError('invalid_call', `session.${call} cannot send this: ${why}.`)
}
