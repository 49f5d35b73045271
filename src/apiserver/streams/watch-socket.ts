import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import { systemClock } from '../../host/clock.ts'
import type { ApiWatchEvent } from '../../machinery/api-request.ts'
import { withoutToken } from '../access/authentication.ts'
import { watchBytes } from '../answer-bytes.ts'
import { keepAlive } from './keep-alive.ts'

/** Bytes that may wait for a slow client before it is sent no more. */
const highWater = 1 << 20
/** The client has nothing to say but pings and its farewell. */
const maxMessageBytes = 64 << 10

interface Client {
  readonly request: IncomingMessage
  readonly socket: Duplex
  readonly head: Buffer
}

export function isWebSocket({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket'
}

/** Tells a watch over a WebSocket: an event a message, as text, or as bytes where protobuf is spoken. Resolves when it ends. */
export async function serveWatchSocket(
  { request, socket, head }: Client,
  batches: AsyncIterable<readonly ApiWatchEvent[]>,
  encode: ((event: ApiWatchEvent) => Buffer) | undefined,
): Promise<void> {
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: maxMessageBytes,
    handleProtocols: (offered) => [...offered][0] ?? false,
  })
  const protocols = withoutToken(request.headers['sec-websocket-protocol'] ?? '')
  if (protocols) request.headers['sec-websocket-protocol'] = protocols
  else delete request.headers['sec-websocket-protocol']
  // A handshake that is none is answered by ws, and the socket closed: nobody watches then.
  const accepted = new Promise<WebSocket | undefined>((resolve) => {
    socket.once('close', () => resolve(undefined))
    server.handleUpgrade(request, socket, head, resolve)
  })
  const client = await accepted
  if (client) {
    client.on('error', () => client.terminate())
    keepAlive(client, systemClock)
  }
  for await (const batch of batches) {
    if (!client || client.readyState !== client.OPEN) break
    for (const event of batch) client.send(encode ? encode(event) : watchBytes([event]), { binary: encode !== undefined })
    if (client.bufferedAmount > highWater) await written(client)
  }
  client?.close(1000)
}

/** Resolves once all that was sent has gone out, or nothing ever will. */
function written(client: WebSocket): Promise<void> {
  return new Promise((resolve) => {
    client.once('close', () => resolve())
    // A ping goes out behind everything else.
    client.ping(undefined, undefined, () => resolve())
  })
}
