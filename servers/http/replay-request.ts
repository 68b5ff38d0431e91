import { IncomingMessage } from 'node:http'

/** The same request with an unread body, for a handler that reads the body itself. */
export function replayRequest(request: IncomingMessage, body: Buffer): IncomingMessage {
  const replay = new IncomingMessage(request.socket)
  replay.method = request.method ?? 'POST'
  replay.url = request.url ?? '/'
  replay.httpVersion = request.httpVersion
  replay.httpVersionMajor = request.httpVersionMajor
  replay.httpVersionMinor = request.httpVersionMinor
  replay.headers = request.headers
  replay.rawHeaders = request.rawHeaders
  // Otherwise its end looks like an aborted request, and ends the connection.
  replay.complete = true
  replay.push(body)
  replay.push(null)
  return replay
}
