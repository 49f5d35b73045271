import http2 from 'node:http2'
import type { Clock } from './clock.ts'
import { EventQueue } from './event-queue.ts'

/** gRPC's status codes by number (https://grpc.github.io/grpc/core/md_doc_statuscodes.html). */
const codeNames = [
  ...['OK', 'Canceled', 'Unknown', 'InvalidArgument', 'DeadlineExceeded', 'NotFound', 'AlreadyExists', 'PermissionDenied'],
  ...['ResourceExhausted', 'FailedPrecondition', 'Aborted', 'OutOfRange', 'Unimplemented', 'Internal', 'Unavailable', 'DataLoss'],
  'Unauthenticated',
]

/** A call that failed: `code` is gRPC's name for why. */
export class GrpcError extends Error {
  readonly code: string
  constructor(code: string, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'GrpcError'
    this.code = code
  }
}

export interface ChannelOptions {
  /** Begins a connection; TLS and the kind of socket are its business. */
  readonly open: () => http2.ClientHttp2Session
  /** What the other side is called in messages. */
  readonly peer: string
  readonly clock: Clock
  /** A larger message is refused. */
  readonly maxMessageBytes: number
  /** An idle connection is asked every `everyMs` whether it lives, and ended when no answer comes within `withinMs`. */
  readonly ping?: { readonly everyMs: number; readonly withinMs: number }
}

export interface CallOptions {
  /** The call fails with DeadlineExceeded after this long; undefined: never. */
  timeoutMs?: number | undefined
  signal?: AbortSignal
  metadata?: Readonly<Record<string, string>>
}

/** Messages of one call, in order. */
type Messages = Iterable<Uint8Array> | AsyncIterable<Uint8Array>

/**
 * gRPC over HTTP/2, as a client: unary calls and streams. Connects at the first call and again after the connection was
 * lost; failures are {@link GrpcError}s.
 */
export class GrpcChannel {
  readonly #options: ChannelOptions
  readonly #clock: Clock
  #session: http2.ClientHttp2Session | undefined
  #closed = false

  constructor(options: ChannelOptions) {
    this.#options = options
    this.#clock = options.clock
  }

  get connected(): boolean {
    const session = this.#session
    return session !== undefined && !session.connecting && !session.closed && !session.destroyed
  }

  /** Resolves once a connection stands; rejects with what kept it from that. Until then nothing has been sent. */
  ready(timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const session = this.#connect()
      if (!session.connecting) {
        resolve()
        return
      }
      const done = (error?: Error): void => {
        cancel()
        session.off('connect', onConnect).off('error', done).off('close', onClose)
        if (error) reject(new GrpcError('Unavailable', `${this.#options.peer}: ${error.message}`, { cause: error }))
        else resolve()
      }
      const onConnect = (): void => done()
      const onClose = (): void => done(new Error('the connection was closed'))
      const cancel = this.#clock.after(timeoutMs, () => {
        done(new Error(`no connection within ${timeoutMs} ms`))
        session.destroy()
      })
      session.on('connect', onConnect).on('error', done).on('close', onClose)
    })
  }

  /** `path` is `/package.Service/Method`; bytes in and out are messages without their frame. */
  unary(path: string, message: Uint8Array, options: CallOptions = {}): Promise<Uint8Array> {
    return this.upload(path, [message], options)
  }

  /** Sends messages one after another and answers the last message that came back. */
  upload(path: string, messages: Messages, options: CallOptions = {}): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      let answer: Uint8Array | undefined
      this.#call(path, messages, options, {
        message: (bytes) => {
          answer = bytes
        },
        end: (error) => {
          if (error) reject(error)
          else if (!answer) reject(new GrpcError('Internal', `${path}: the answer has no message`))
          else resolve(answer)
        },
      })
    })
  }

  /** Messages as they come; what is sent may go on meanwhile. Throws when the stream breaks; ends with the signal. */
  async *stream(path: string, messages: Messages, options: CallOptions & { signal: AbortSignal }): AsyncGenerator<Uint8Array> {
    const stop = new AbortController()
    const queue = new EventQueue<Uint8Array>(AbortSignal.any([options.signal, stop.signal]), () => stop.abort())
    let failure: GrpcError | undefined
    this.#call(
      path,
      messages,
      { ...options, signal: stop.signal },
      {
        message: (bytes) => queue.push(bytes),
        end: (error) => {
          failure = error
          queue.end()
        },
      },
    )
    yield* queue
    if (failure && !options.signal.aborted) throw failure
  }

  close(): void {
    this.#closed = true
    this.#session?.destroy()
    this.#session = undefined
  }

  #connect(): http2.ClientHttp2Session {
    if (this.#closed) throw new GrpcError('Canceled', `the connection to ${this.#options.peer} has been closed`)
    if (this.#session && !this.#session.closed && !this.#session.destroyed) return this.#session
    const session = this.#options.open()
    session.on('error', () => session.destroy()) // every stream of the session reports it to its caller
    session.on('goaway', () => session.close())
    session.on('close', () => {
      if (this.#session === session) this.#session = undefined
    })
    this.#session = session
    if (this.#options.ping) this.#pingFrom(session, this.#options.ping)
    return session
  }

  /** A peer that has been stopped or cut off answers nothing, and its socket says nothing either. */
  #pingFrom(session: http2.ClientHttp2Session, ping: { everyMs: number; withinMs: number }): void {
    if (session.destroyed) return
    let cancel = this.#clock.after(ping.everyMs, () => {
      if (session.destroyed) return
      cancel = this.#clock.after(ping.withinMs, () => session.destroy())
      session.ping(() => {
        cancel()
        session.off('close', onClose)
        this.#pingFrom(session, ping)
      })
    })
    const onClose = (): void => cancel()
    session.once('close', onClose)
  }

  #call(
    path: string,
    messages: Messages,
    options: CallOptions,
    on: { message: (bytes: Uint8Array) => void; end: (error?: GrpcError) => void },
  ): void {
    let stream: http2.ClientHttp2Stream
    try {
      stream = this.#connect().request(requestHeaders(path, options))
    } catch (error) {
      on.end(error instanceof GrpcError ? error : new GrpcError('Unavailable', `${path}: ${textOf(error)}`, { cause: error }))
      return
    }
    let ended = false
    const finish = (error?: GrpcError): void => {
      if (ended) return
      ended = true
      cancelTimer?.()
      options.signal?.removeEventListener('abort', onAbort)
      if (!stream.closed) stream.close(http2.constants.NGHTTP2_CANCEL)
      on.end(error)
    }
    const onAbort = (): void => finish(new GrpcError('Canceled', `${path}: cancelled`))
    const cancelTimer =
      options.timeoutMs === undefined
        ? undefined
        : this.#clock.after(options.timeoutMs, () =>
            finish(new GrpcError('DeadlineExceeded', `${path}: no answer within ${options.timeoutMs} ms`)),
          )
    options.signal?.addEventListener('abort', onAbort, { once: true })
    if (options.signal?.aborted) {
      onAbort()
      return
    }

    const frames = new FrameReader(this.#options.maxMessageBytes)
    let status: GrpcError | 'ok' | undefined
    stream.on('response', (headers) => {
      status = statusOf(headers) ?? status
      const code = headers[':status']
      if (code !== 200) finish(new GrpcError('Unavailable', `${path}: HTTP ${code} from ${this.#options.peer}`))
    })
    stream.on('trailers', (headers) => {
      status = statusOf(headers as http2.IncomingHttpHeaders) ?? status
    })
    stream.on('data', (chunk: Buffer) => {
      try {
        for (const frame of frames.push(chunk)) if (!ended) on.message(frame)
      } catch (error) {
        if (!(error instanceof GrpcError)) throw error
        finish(error)
      }
    })
    let cause: Error | undefined
    stream.on('error', (error) => {
      cause = error
    })
    stream.on('close', () => {
      if (status === 'ok') finish()
      else
        finish(status ?? new GrpcError('Unavailable', `${path}: ${cause?.message ?? `the connection to ${this.#options.peer} was lost`}`))
    })
    void send(stream, messages).catch((error: unknown) => {
      finish(error instanceof GrpcError ? error : new GrpcError('Internal', `${path}: ${textOf(error)}`, { cause: error }))
    })
  }
}

/** Writes each message once the one before it has left, so that an upload never lies in memory whole. */
async function send(stream: http2.ClientHttp2Stream, messages: Messages): Promise<void> {
  for await (const message of messages) {
    if (stream.destroyed || stream.closed) return // how it ended is told by the stream's own events
    if (stream.write(frame(message))) continue
    await new Promise<void>((resolve) => {
      const go = (): void => {
        stream.off('drain', go).off('close', go)
        resolve()
      }
      stream.once('drain', go).once('close', go)
    })
  }
  stream.end()
}

function requestHeaders(path: string, { timeoutMs, metadata }: CallOptions): http2.OutgoingHttpHeaders {
  return {
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...(timeoutMs === undefined
      ? {}
      : { 'grpc-timeout': timeoutMs < 1e8 ? `${Math.ceil(timeoutMs)}m` : `${Math.ceil(timeoutMs / 1000)}S` }),
    ...metadata,
  }
}

function statusOf(headers: http2.IncomingHttpHeaders): GrpcError | 'ok' | undefined {
  const status = headers['grpc-status']
  if (status === undefined) return undefined
  if (status === '0') return 'ok'
  return new GrpcError(codeNames[Number(status)] ?? 'Unknown', percentDecoded(String(headers['grpc-message'] ?? `status ${status}`)))
}

/** grpc-message is UTF-8 with %XX for what headers can't hold; a stray % stands for itself. */
function percentDecoded(text: string): string {
  const data = Buffer.alloc(text.length * 3)
  let length = 0
  for (let i = 0; i < text.length; i++) {
    const hex = text[i] === '%' ? /^[0-9a-fA-F]{2}/.exec(text.slice(i + 1, i + 3))?.[0] : undefined
    if (hex !== undefined) {
      data[length++] = Number.parseInt(hex, 16)
      i += 2
    } else length += data.write(text[i] as string, length)
  }
  return data.toString('utf8', 0, length)
}

/** One byte for compression (never used here), four for the length, then the message. */
function frame(message: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(5 + message.length)
  framed[0] = 0
  framed.writeUInt32BE(message.length, 1)
  framed.set(message, 5)
  return framed
}

class FrameReader {
  readonly #maxMessageBytes: number
  #chunks: Buffer[] = []
  #length = 0

  constructor(maxMessageBytes: number) {
    this.#maxMessageBytes = maxMessageBytes
  }

  /** Joins chunks until the first holds `size` bytes. */
  #joined(size: number): Buffer {
    if ((this.#chunks[0] as Buffer).length < size) this.#chunks = [Buffer.concat(this.#chunks)]
    return this.#chunks[0] as Buffer
  }

  *push(chunk: Buffer): Generator<Buffer> {
    this.#chunks.push(chunk)
    this.#length += chunk.length
    while (this.#length >= 5) {
      const head = this.#joined(5)
      const size = head.readUInt32BE(1)
      if (head[0] !== 0) throw new GrpcError('Internal', 'a compressed message came that nobody asked for')
      if (size > this.#maxMessageBytes) throw new GrpcError('ResourceExhausted', `a message of ${size} bytes is too large`)
      if (this.#length < 5 + size) return
      const all = this.#joined(5 + size)
      this.#chunks = all.length > 5 + size ? [all.subarray(5 + size)] : []
      this.#length -= 5 + size
      yield all.subarray(5, 5 + size)
    }
  }
}

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
