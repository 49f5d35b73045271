import { once } from 'node:events'
import { type ClientHttp2Session, connect } from 'node:http2'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import type { WireRequest } from './operations.ts'

export interface Endpoint {
  readonly port: number
  readonly ca: string
  readonly cert: string
  readonly key: string
}

export type Protocol = 'HTTP/2' | 'HTTP/1.1'

export interface WireAnswer {
  readonly code: number
  readonly body: Buffer
}

/** One client: asks one thing at a time. */
export interface Requester {
  ask(request: WireRequest): Promise<WireAnswer>
}

const agent = 'bench/1'

/** As clients do it: those of client-go share one HTTP/2 connection, others have one of HTTP/1.1 each. */
export async function openRequesters(
  protocol: Protocol,
  endpoint: Endpoint,
  count: number,
): Promise<{ requesters: Requester[]; close: () => void }> {
  if (protocol === 'HTTP/2') {
    const session = connect(`https://127.0.0.1:${endpoint.port}`, endpoint)
    await once(session, 'connect')
    return { requesters: Array.from({ length: count }, () => overHttp2(session)), close: () => session.destroy() }
  }
  const sockets = await Promise.all(Array.from({ length: count }, () => openSocket(endpoint)))
  const close = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  return { requesters: sockets.map(overHttp1), close }
}

function overHttp2(session: ClientHttp2Session): Requester {
  return {
    ask: ({ method, path, contentType, body }) =>
      new Promise((resolve, reject) => {
        const headers = { ':method': method, ':path': path, accept: 'application/json', 'user-agent': agent }
        const stream = session.request(contentType ? { ...headers, 'content-type': contentType } : headers, { endStream: !body })
        const pieces: Buffer[] = []
        let code = 0
        stream.on('response', (answered) => {
          code = Number(answered[':status'])
        })
        stream.on('data', (piece: Buffer) => pieces.push(piece))
        stream.on('end', () => resolve({ code, body: Buffer.concat(pieces) }))
        stream.on('error', reject)
        if (body) stream.end(body)
      }),
  }
}

async function openSocket({ port, ...rest }: Endpoint): Promise<TLSSocket> {
  const socket = connectTls({ host: '127.0.0.1', servername: 'localhost', port, ...rest, ALPNProtocols: ['http/1.1'] })
  socket.setNoDelay(true)
  await once(socket, 'secureConnect')
  return socket
}

const headEnd = Buffer.from('\r\n\r\n')

/** Node's own client would cost more than the servers that are measured: answers here say how long they are, and that is all it reads. */
function overHttp1(socket: TLSSocket): Requester {
  let pieces: Buffer[] = []
  let settle: { resolve: (answer: WireAnswer) => void; reject: (error: Error) => void } | undefined
  socket.on('data', (piece: Buffer) => {
    pieces.push(piece)
    const all = pieces.length === 1 ? piece : Buffer.concat(pieces)
    pieces = [all]
    const end = all.indexOf(headEnd)
    if (end < 0) return
    const head = all.toString('latin1', 0, end)
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1])
    if (all.byteLength < end + headEnd.byteLength + length) return
    pieces = []
    settle?.resolve({ code: Number(head.slice(9, 12)), body: all.subarray(end + headEnd.byteLength) })
  })
  socket.on('error', (error) => settle?.reject(error))
  socket.on('close', () => settle?.reject(new Error('the connection was closed')))
  return {
    ask: ({ method, path, contentType, body }) =>
      new Promise((resolve, reject) => {
        settle = { resolve, reject }
        const content = body ? `Content-Type: ${contentType}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n` : ''
        const head = `${method} ${path} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\nUser-Agent: ${agent}\r\n${content}\r\n`
        socket.write(body ? head + body : head)
      }),
  }
}
