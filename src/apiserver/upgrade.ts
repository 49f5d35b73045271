import { type ClientRequest, type IncomingMessage, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Log } from '../host/log.ts'
import type { UserInfo } from '../machinery/api-request.ts'
import { badRequest, StatusError } from '../machinery/status.ts'
import { tokenOfProtocols, withoutToken } from './access/authentication.ts'
import type { KubeletRequest, ProxyRequest } from './answer.ts'
import type { Api } from './api.ts'
import { type Backends, backendUnreachable } from './backends.ts'
import { answerTo, arrivalOf, batches, eventEncoderFor } from './exchange.ts'
import { originOf } from './request-origin.ts'
import { isWebSocket } from './streams/listening-socket.ts'
import { serveLogSocket } from './streams/log-socket.ts'
import { serveWatchSocket } from './streams/watch-socket.ts'
import { serveWebSocket, translationOf } from './streams/websocket.ts'

interface Upgrade {
  readonly request: IncomingMessage
  readonly socket: Duplex
  /** What the client has already sent after its request. */
  readonly head: Buffer
  readonly user: UserInfo | undefined
  readonly remoteAddress: string | undefined
}

interface Deps {
  readonly api: Api
  readonly backends: Backends
  readonly log: Log
}

/** Headers that concern this connection or this server alone. */
const notForwarded = new Set(['host', 'authorization', 'content-length'])

/**
 * A request that wants its connection for itself: a watch or a log over WebSocket, or exec, attach, port-forward over it or SPDY. Once the kubelet
 * agrees, bytes pass both ways unread, or as streams/ translates them. Never rejects.
 */
export async function serveUpgrade(upgrade: Upgrade, { api, backends, log }: Deps): Promise<void> {
  const { request, socket, user, remoteAddress } = upgrade
  const gone = new AbortController()
  socket.once('close', () => gone.abort())
  socket.on('error', (error) => log.debug('streaming connection broke off', { error }))
  try {
    const { method = '', url = '/', headers } = request
    const offered = tokenOfProtocols(String(headers['sec-websocket-protocol'] ?? ''))
    const authorization = headers.authorization ?? (offered === undefined ? undefined : `Bearer ${offered}`)
    const sent = { ...headers, authorization }
    const exchange = { method, url, headers: sent, user, remoteAddress, input: request, output: socket, respond: () => {} }
    const answer = await answerTo(exchange, originOf(arrivalOf(exchange)), api, gone.signal)
    if (answer.type === 'kubelet' || answer.type === 'proxy') tellWhenDone(answer, socket)
    if (answer.type === 'watch' && isWebSocket(request))
      return await serveWatchSocket(upgrade, batches(answer.events), await eventEncoderFor(exchange))
    if (answer.type === 'kubelet' && !answer.upgrades && isWebSocket(request)) {
      const log = await backends.readLog(answer, gone.signal)
      answer.audit?.started(101)
      return await serveLogSocket(upgrade, log)
    }
    const translation = answer.type === 'kubelet' ? translationOf(request, answer) : undefined
    const outgoing = translation
      ? backends.upgrade(answer, 'POST', translation.headers, gone.signal)
      : backends.upgrade(answer, method, forwarded(request), gone.signal)
    if (outgoing && translation) {
      serveWebSocket(upgrade, outgoing, translation, answer as KubeletRequest)
      return await opened(upgrade, outgoing, answer as KubeletRequest, gone.signal)
    }
    if (outgoing) return await splice(upgrade, outgoing, answer as KubeletRequest | ProxyRequest, gone.signal)
    if (answer.type === 'object' && answer.code >= 400) return writeStatus(socket, answer.code, answer.object)
    const { status } = badRequest('this resource takes no upgraded connections')
    writeStatus(socket, status.code, status)
  } catch (error) {
    if (error instanceof StatusError) return writeStatus(socket, error.code, error.status)
    log.error('cannot serve a streaming request', { path: request.url, error })
    socket.destroy()
  }
}

function tellWhenDone({ audit }: KubeletRequest | ProxyRequest, socket: Duplex): void {
  if (!audit) return
  if (socket.destroyed) audit.completed()
  else socket.once('close', () => audit.completed())
}

function forwarded(request: IncomingMessage): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {}
  for (const [name, value] of Object.entries(request.headersDistinct)) {
    if (!value || notForwarded.has(name) || name.startsWith('impersonate-')) continue
    if (name === 'sec-websocket-protocol') headers[name] = withoutToken(value.join(', '))
    else headers[name] = value.length === 1 ? (value[0] as string) : value
  }
  return headers
}

function splice(upgrade: Upgrade, outgoing: ClientRequest, target: KubeletRequest | ProxyRequest, signal: AbortSignal): Promise<void> {
  const { socket, head } = upgrade
  outgoing.once('upgrade', (response, kubeletSocket, kubeletHead) => {
    socket.write(headText(response))
    if (kubeletHead.byteLength > 0) socket.write(kubeletHead)
    if (head.byteLength > 0) kubeletSocket.write(head)
    kubeletSocket.on('error', () => socket.destroy())
    kubeletSocket.once('close', () => socket.end())
    socket.once('close', () => kubeletSocket.destroy())
    socket.pipe(kubeletSocket)
    kubeletSocket.pipe(socket)
  })
  return opened(upgrade, outgoing, target, signal)
}

/** Sends the request; resolves once it is agreed to, or the client has been told why not. */
function opened({ socket }: Upgrade, outgoing: ClientRequest, target: KubeletRequest | ProxyRequest, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    outgoing.once('error', (error) => {
      target.audit?.started(500)
      if (!signal.aborted) writeStatus(socket, 500, backendUnreachable(target, error).status)
      resolve()
    })
    outgoing.once('upgrade', () => {
      target.audit?.started(101)
      resolve()
    })
    // The kubelet's refusal: no such container, not running.
    outgoing.once('response', (response) => {
      target.audit?.started(response.statusCode ?? 500)
      socket.write(headText(response))
      response.once('error', () => socket.destroy())
      response.pipe(socket)
      resolve()
    })
    outgoing.end()
  })
}

function headText(response: IncomingMessage): string {
  const code = response.statusCode ?? 500
  const lines = [`HTTP/1.1 ${code} ${response.statusMessage || STATUS_CODES[code]}`]
  const { rawHeaders } = response
  for (let i = 0; i < rawHeaders.length; i += 2) {
    // A body of known or unknown length is passed on as it is, to its end.
    if (/^(transfer-encoding|connection)$/i.test(rawHeaders[i] as string) && code !== 101) continue
    lines.push(`${rawHeaders[i]}: ${rawHeaders[i + 1]}`)
  }
  if (code !== 101) lines.push('Connection: close')
  return `${lines.join('\r\n')}\r\n\r\n`
}

function writeStatus(socket: Duplex, code: number, status: object): void {
  if (socket.destroyed) return
  const body = JSON.stringify(status)
  const head = `HTTP/1.1 ${code} ${STATUS_CODES[code] ?? ''}\r\nContent-Type: application/json\r\n`
  socket.end(`${head}Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`)
}
