import type { IncomingMessage, ServerResponse } from 'node:http'
import { createSecureServer, type Http2SecureServer, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { systemClock } from '../host/clock.ts'
import type { Log } from '../host/log.ts'
import type { UserInfo } from '../machinery/api-request.ts'
import { endOfPeer, type PeerSocket, userOfPeer } from './access/client-certificate.ts'
import type { Api } from './api.ts'
import type { Backends } from './backends.ts'
import { type Exchange, type ExchangeDeps, type Headers, serveExchange } from './exchange.ts'
import { serveUpgrade } from './upgrade.ts'

export interface ListenOptions {
  readonly host: string
  readonly port: number
  /** PEM: the cluster's CA, by which clients are known, and the server's certificate and key. */
  readonly ca: string
  readonly cert: string
  readonly key: string
}

export interface FrontEnd {
  readonly port: number
  close(): Promise<void>
}

interface Deps {
  readonly api: Api
  readonly backends: Backends
  readonly log: Log
}

/** How long connections have to end by themselves when the server stops. */
const keepAliveAfterMs = 30_000
const closeWithinMs = 500

/**
 * Cancelled watches reset their streams, and clients cancel many; the allowance keeps them served, yet far
 * below what an attack with resets needs.
 */
const resets = { streamResetBurst: 10_000, streamResetRate: 1_000 }

/** What upstream takes of headers, the address with its selectors among them. */
const maxHeaderBytes = 1 << 20
const maxHeaders = 2_000
/** A connection left idle for less is kept: clients take it that theirs stay open about this long. */
const keepAliveMs = 90_000

/** For the connections that speak HTTP/1.1; their types don't know that Node takes them here. */
const http1: object = { maxHeaderSize: maxHeaderBytes, keepAliveTimeout: keepAliveMs }

/** HTTPS with HTTP/2 and, for upgrades and old clients, HTTP/1.1 on one port. */
export async function startFrontEnd(options: ListenOptions, deps: Deps): Promise<FrontEnd> {
  const { api, backends, log } = deps
  const server = createSecureServer({
    ...resets,
    allowHTTP1: true,
    ca: options.ca,
    cert: options.cert,
    key: options.key,
    minVersion: 'TLSv1.2',
    requestCert: true,
    // A wrong certificate gets its answer over HTTP: 401.
    rejectUnauthorized: false,
    settings: { maxConcurrentStreams: 1000, maxHeaderListSize: maxHeaderBytes },
    maxHeaderListPairs: maxHeaders,
    maxSessionMemory: 100,
    ...http1,
  })
  const exchangeDeps: ExchangeDeps = { api, log, forward: (answer, exchange, signal) => backends.forward(answer, exchange, signal) }
  const peers = new WeakMap<object, { readonly user: UserInfo | undefined; readonly untilMs: number }>()
  const userOf = (connection: object, socket: PeerSocket): UserInfo | undefined => {
    const peer = peers.get(connection) ?? { user: userOfPeer(socket), untilMs: endOfPeer(socket) }
    peers.set(connection, peer)
    return peer.untilMs > systemClock.now() ? peer.user : undefined
  }
  server.on('request', (request, response) => {
    void serveExchange(exchangeOfHttp1(request as unknown as IncomingMessage, response as unknown as ServerResponse, userOf), exchangeDeps)
  })
  // With a `request` listener Node also wraps every HTTP/2 stream for it; the streams are served as they are instead.
  server.removeAllListeners('stream')
  server.on('stream', (stream, headers) => {
    // The connection may have gone between a stream's arrival and now.
    if (!stream.session?.socket) return stream.destroy()
    void serveExchange(exchangeOfHttp2(stream, headers, userOf), exchangeDeps)
  })
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const user = userOf(socket, socket as unknown as PeerSocket)
    const { remoteAddress } = socket as Socket
    void serveUpgrade({ request, socket, head, user, remoteAddress }, { api, backends, log })
  })
  const open = trackConnections(server, log)
  await listening(server, options)
  const { port } = server.address() as AddressInfo
  return { port, close: () => closeServer(server, open) }
}

type UserOf = (connection: object, socket: PeerSocket) => UserInfo | undefined

function exchangeOfHttp2(stream: ServerHttp2Stream, headers: Headers, userOf: UserOf): Exchange {
  const session = stream.session as ServerHttp2Session
  return {
    method: String(headers[':method']),
    url: String(headers[':path']),
    headers,
    user: userOf(session, session.socket as unknown as PeerSocket),
    remoteAddress: session.socket.remoteAddress,
    input: stream,
    output: stream,
    respond(code, given) {
      if (!stream.destroyed && !stream.headersSent) stream.respond({ ':status': code, ...given })
    },
  }
}

function exchangeOfHttp1(request: IncomingMessage, response: ServerResponse, userOf: UserOf): Exchange {
  return {
    method: request.method ?? '',
    url: request.url ?? '/',
    headers: request.headers,
    user: userOf(request.socket, request.socket as unknown as PeerSocket),
    remoteAddress: request.socket.remoteAddress,
    input: request,
    output: response,
    respond(code, given) {
      response.writeHead(code, given)
      // What has a length follows at once, and in the same piece; a stream is told to have begun.
      if (given['content-length'] === undefined) response.flushHeaders()
    },
  }
}

interface Connections {
  readonly sessions: Set<ServerHttp2Session>
  readonly sockets: Set<Socket>
}

function trackConnections(server: Http2SecureServer, log: Log): Connections {
  const sessions = new Set<ServerHttp2Session>()
  const sockets = new Set<Socket>()
  server.on('session', (session) => {
    sessions.add(session)
    session.once('close', () => sessions.delete(session))
  })
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.setNoDelay(true)
    // Who has gone without a word is found out, however quiet the connection.
    socket.setKeepAlive(true, keepAliveAfterMs)
    socket.once('close', () => sockets.delete(socket))
  })
  server.on('sessionError', (error) => log.debug('connection failed', { error }))
  server.on('tlsClientError', (error: Error, socket: TLSSocket) => {
    log.debug('TLS handshake failed', { error, from: socket.remoteAddress })
  })
  return { sessions, sockets }
}

function listening(server: Http2SecureServer, { host, port }: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port }, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

async function closeServer(server: Http2SecureServer, { sessions, sockets }: Connections): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  for (const session of sessions) session.close()
  // Connections end in real time, even where the cluster's own clock is a virtual one.
  const cancel = systemClock.after(closeWithinMs, () => {
    for (const session of sessions) session.destroy()
    for (const socket of sockets) socket.destroy()
  })
  if (sessions.size === 0) for (const socket of sockets) socket.destroy()
  await closed
  cancel()
}
