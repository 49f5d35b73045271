import { once } from 'node:events'
import { connect, type TLSSocket } from 'node:tls'
import { gunzipSync } from 'node:zlib'
import type { HostileRequest } from './hostile-requests.ts'

export interface RawAnswer {
  readonly code: number
  /** By lower-case name. */
  readonly headers: ReadonlyMap<string, string>
  /** Undefined: it goes on and on, as a watch does, or had no end that could be found. */
  readonly body: Buffer | undefined
}

export interface Peer {
  readonly port: number
  readonly ca: string
  readonly cert?: string
  readonly key?: string
}

const headEnd = Buffer.from('\r\n\r\n')

/** One HTTP/1.1 client that sends whatever it is given, byte for byte, and takes what comes back. */
export class RawConnection {
  readonly #peer: Peer
  #socket: TLSSocket | undefined

  constructor(peer: Peer) {
    this.#peer = peer
  }

  async ask({ method, target, headers, body }: HostileRequest): Promise<RawAnswer> {
    const socket = this.#socket ?? (await this.#open())
    const lines = [`${method} ${target} HTTP/1.1`, 'Host: localhost', ...headers.map(([name, value]) => `${name}: ${value}`)]
    if (body) lines.push(`Content-Length: ${body.byteLength}`)
    const head = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
    const answer = answerOf(socket, method)
    socket.write(body ? Buffer.concat([head, body]) : head)
    const got = await answer
    if (got.body === undefined || got.headers.get('connection') === 'close') this.close()
    return got
  }

  async #open(): Promise<TLSSocket> {
    const { port, ...tls } = this.#peer
    const socket = connect({ host: '127.0.0.1', servername: 'localhost', port, ...tls, ALPNProtocols: ['http/1.1'] })
    socket.on('error', () => this.close())
    socket.on('close', () => this.close())
    await once(socket, 'secureConnect')
    this.#socket = socket
    return socket
  }

  close(): void {
    this.#socket?.destroy()
    this.#socket = undefined
  }
}

function answerOf(socket: TLSSocket, method: string): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    let all: Buffer = Buffer.alloc(0)
    const onData = (piece: Buffer): void => {
      all = Buffer.concat([all, piece])
      const answer = read(all, method)
      if (answer) finish(() => resolve(answer))
    }
    const onClose = (): void => finish(() => reject(new Error(`the connection was closed after ${all.byteLength} bytes of an answer`)))
    const finish = (settle: () => void): void => {
      socket.off('data', onData).off('close', onClose)
      settle()
    }
    socket.on('data', onData).on('close', onClose)
  })
}

function read(all: Buffer, method: string): RawAnswer | undefined {
  const end = all.indexOf(headEnd)
  if (end < 0) return undefined
  const [first = '', ...lines] = all.toString('latin1', 0, end).split('\r\n')
  const headers = new Map(lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 2)]))
  const code = Number(first.slice(9, 12))
  const length = headers.get('content-length')
  if (method === 'HEAD' || code === 304) return { code, headers, body: Buffer.alloc(0) }
  if (length === undefined) return { code, headers, body: undefined }
  const from = end + headEnd.byteLength
  if (all.byteLength < from + Number(length)) return undefined
  const body = all.subarray(from, from + Number(length))
  return { code, headers, body: headers.get('content-encoding') === 'gzip' ? gunzipSync(body) : body }
}
