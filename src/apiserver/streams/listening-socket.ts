import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import { systemClock } from '../../host/clock.ts'
import { withoutToken } from '../access/authentication.ts'
import { keepAlive } from './keep-alive.ts'

/** The client has nothing to say but pings and its farewell. */
const maxMessageBytes = 64 << 10

/** Who asks for a WebSocket only to listen to it: to a watch, or a log. */
export interface ListeningClient {
  readonly request: IncomingMessage
  readonly socket: Duplex
  readonly head: Buffer
}

export function isWebSocket({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket'
}

/** Undefined: the handshake was none, and the client has been told. `choose`: of the protocols offered; false for none. */
export async function acceptSocket(
  { request, socket, head }: ListeningClient,
  choose: (offered: ReadonlySet<string>) => string | false,
): Promise<WebSocket | undefined> {
  const server = new WebSocketServer({ noServer: true, maxPayload: maxMessageBytes, handleProtocols: choose })
  const protocols = withoutToken(request.headers['sec-websocket-protocol'] ?? '')
  if (protocols) request.headers['sec-websocket-protocol'] = protocols
  else delete request.headers['sec-websocket-protocol']
  // A handshake that is none is answered by ws, and the socket closed: nobody listens then.
  const client = await new Promise<WebSocket | undefined>((resolve) => {
    socket.once('close', () => resolve(undefined))
    server.handleUpgrade(request, socket, head, resolve)
  })
  client?.on('error', () => client.terminate())
  if (client) keepAlive(client, systemClock)
  return client
}

/** Resolves once all that was sent has gone out, or nothing ever will. */
export function written(client: WebSocket): Promise<void> {
  return new Promise((resolve) => {
    client.once('close', () => resolve())
    // A ping goes out behind everything else.
    client.ping(undefined, undefined, () => resolve())
  })
}
