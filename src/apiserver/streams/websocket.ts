import type { ClientRequest, IncomingMessage } from 'node:http'
import { type Duplex, pipeline } from 'node:stream'
import { createWebSocketStream, type WebSocket, WebSocketServer } from 'ws'
import { systemClock } from '../../host/clock.ts'
import type { KubeletRequest } from '../answer.ts'
import { joinChannels, streamTypesOf } from './channel-socket.ts'
import { keepAlive } from './keep-alive.ts'

const channelProtocol = 'v5.channel.k8s.io'
const tunnelProtocol = 'SPDY/3.1+portforward.k8s.io'
/** The longest message that is taken: clients send what they read at once, some a whole buffer. */
const maxMessageBytes = 64 << 20

/** How a client's WebSocket is turned into what runtimes speak; older protocols they speak themselves. */
export interface Translation {
  /** Of the WebSocket. */
  readonly protocol: typeof channelProtocol | typeof tunnelProtocol
  /** Of the request that goes to the kubelet instead. */
  readonly headers: Readonly<Record<string, string>>
}

export function translationOf(request: IncomingMessage, target: KubeletRequest): Translation | undefined {
  if (request.headers.upgrade?.toLowerCase() !== 'websocket') return undefined
  const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((one) => one.trim())
  const forwardsPorts = target.path.startsWith('/portForward/')
  const protocol = forwardsPorts ? tunnelProtocol : channelProtocol
  if (!offered.includes(protocol)) return undefined
  const spoken = forwardsPorts ? 'portforward.k8s.io' : 'v4.channel.k8s.io'
  return { protocol, headers: { connection: 'Upgrade', upgrade: 'SPDY/3.1', 'x-stream-protocol-version': spoken } }
}

interface Client {
  readonly request: IncomingMessage
  readonly socket: Duplex
  readonly head: Buffer
}

/** Accepts the client's WebSocket once the kubelet has agreed, and carries its streams. */
export function serveWebSocket(client: Client, outgoing: ClientRequest, { protocol }: Translation, target: KubeletRequest): void {
  outgoing.once('upgrade', (_response, runtime: Duplex, head: Buffer) => {
    runtime.on('error', () => client.socket.destroy())
    client.socket.once('close', () => runtime.destroy())
    const server = new WebSocketServer({ noServer: true, maxPayload: maxMessageBytes })
    // The tunnel's name has a slash, which is no part of a token: ws would refuse it, so it is agreed on here.
    delete client.request.headers['sec-websocket-protocol']
    server.on('headers', (lines) => lines.push(`Sec-WebSocket-Protocol: ${protocol}`))
    server.handleUpgrade(client.request, client.socket, client.head, (socket) => {
      keepAlive(socket, systemClock)
      if (protocol === tunnelProtocol) tunnel(socket, runtime, head)
      else joinChannels(socket, runtime, streamTypesOf(new URL(target.path, 'https://kubelet').searchParams), head)
    })
  })
}

/** SPDY within a WebSocket, message borders meaning nothing: the runtime gets the bytes as they are. */
function tunnel(socket: WebSocket, runtime: Duplex, head: Buffer): void {
  const client = createWebSocketStream(socket)
  if (head.length > 0) client.write(head)
  const end = (): void => {
    client.destroy()
    runtime.destroy()
  }
  pipeline(client, runtime, end)
  pipeline(runtime, client, end)
}
