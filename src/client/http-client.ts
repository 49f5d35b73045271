import type { ClientHttp2Stream, IncomingHttpHeaders, IncomingHttpStatusHeader, OutgoingHttpHeaders } from 'node:http2'
import type { Clock } from '../host/clock.ts'
import { systemClock } from '../host/clock.ts'
import { type Client, ConnectionError } from './client.ts'
import { authorizationOf, type Credentials, fixedCredentials } from './credentials.ts'
import { Http2Connection, type TlsOptions } from './http2-connection.ts'
import { JsonLines } from './json-lines.ts'
import { type Call, clientOver, errorOf, type Transport } from './resource-client.ts'

export interface HttpClientConfig {
  /** `https://host:port`, maybe with a path that goes before the API's own. */
  server: string
  /** PEM of the authority that signed the server's certificate; undefined: those that this machine trusts. */
  ca?: string | undefined
  insecureSkipTlsVerify?: boolean
  /** The name that the server's certificate must have, where it isn't the server's host. */
  tlsServerName?: string | undefined
  /** Client certificate and its key, PEM; or a bearer token. */
  cert?: string
  key?: string
  token?: string
  /** Instead of the three above: credentials that change while the client lives. */
  credentials?: Credentials
  /** Sent with every call. */
  headers?: Readonly<Record<string, string>>
  userAgent?: string
  /** How long one call may take; default 30 s. Watches have no limit: pings tell whether the server lives. */
  timeoutMs?: number
  /** A ping goes out this often while connected, and must be answered within as long again; default 10 s. */
  pingIntervalMs?: number
  clock?: Clock
}

/** A client over one HTTP/2 connection, which is opened when first needed and again whenever it was lost. */
export function httpClient(config: HttpClientConfig): Client {
  const clock = config.clock ?? systemClock
  const timeoutMs = config.timeoutMs ?? 30_000
  const credentials = config.credentials ?? fixedCredentials(config)
  const connection = new Http2Connection({
    server: config.server,
    tls: () => tlsOf(config, credentials),
    pingIntervalMs: config.pingIntervalMs ?? 10_000,
    clock,
  })
  const prefix = new URL(config.server).pathname.replace(/\/$/, '')
  const headersOf = async (call: Call, length: number): Promise<OutgoingHttpHeaders> => {
    const query = call.query.toString()
    const authorization = authorizationOf(await credentials.current())
    return {
      ...config.headers,
      ':method': call.method,
      ':path': query ? `${prefix}${call.path}?${query}` : `${prefix}${call.path}`,
      accept: 'application/json',
      'user-agent': config.userAgent ?? 'ownkube',
      ...(authorization === undefined ? {} : { authorization }),
      ...(call.body ? { 'content-type': call.contentType, 'content-length': length } : {}),
    }
  }
  /** Whoever asks again comes with what is newest, over a connection of its own where the certificate may be another. */
  const refused = (code: number): void => {
    if (code !== 401 || !config.credentials) return
    credentials.refused()
    connection.renew()
  }
  const send = async (call: Call): Promise<ClientHttp2Stream> => {
    const bytes = call.body ? Buffer.from(JSON.stringify(call.body)) : undefined
    const stream = await connection.request(await headersOf(call, bytes?.length ?? 0))
    if (bytes) stream.end(bytes)
    else stream.end()
    return stream
  }
  /** A read that a dying connection swallowed is safe to ask once more; a write may have been done. */
  const exchange = async (call: Call): Promise<{ code: number; text: string }> => {
    try {
      return await readWhole(await send(call), { clock, timeoutMs, call })
    } catch (error) {
      if (call.method !== 'GET' || call.signal?.aborted || !(error instanceof ConnectionError) || error instanceof TimeoutError) throw error
      return readWhole(await send(call), { clock, timeoutMs, call })
    }
  }
  const transport: Transport = {
    async call(call) {
      const { code, text } = await exchange(call)
      refused(code)
      const object = parsed(text)
      if (code >= 400) throw errorOf(code, object, text)
      if (object === undefined) throw new ConnectionError(`${call.method} ${call.path}: the answer is not JSON: ${text.slice(0, 100)}`)
      return object
    },
    async *watch(call) {
      const stream = await send(call)
      yield* readEvents(stream, { clock, timeoutMs, call }, refused)
    },
    async text(path, signal) {
      const url = new URL(path, config.server)
      const call: Call = { method: 'GET', path: url.pathname, query: url.searchParams, contentType: '', body: undefined, signal }
      const { code, text } = await exchange(call)
      refused(code)
      if (code >= 400) throw errorOf(code, parsed(text), text)
      return text
    },
    close: () => connection.close(),
  }
  return clientOver(transport)
}

async function tlsOf(config: HttpClientConfig, credentials: Credentials): Promise<TlsOptions> {
  const { cert, key } = await credentials.current()
  return {
    ...(config.ca === undefined ? {} : { ca: config.ca }),
    ...(config.insecureSkipTlsVerify ? { rejectUnauthorized: false } : {}),
    ...(config.tlsServerName === undefined ? {} : { servername: config.tlsServerName }),
    ...(cert ? { cert } : {}),
    ...(key ? { key } : {}),
  }
}

class TimeoutError extends ConnectionError {}

function parsed(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

interface Reading {
  clock: Clock
  timeoutMs: number
  call: Call
}

const broken = (call: Call, cause: unknown): ConnectionError =>
  cause instanceof ConnectionError
    ? cause
    : new ConnectionError(`${call.method} ${call.path}: the connection broke${cause instanceof Error ? `: ${cause.message}` : ''}`, {
        cause,
      })

/** Resolves with the answer's code once its headers are there. */
function answered(stream: ClientHttp2Stream, call: Call): Promise<number> {
  return new Promise((resolve, reject) => {
    stream.once('response', (headers: IncomingHttpHeaders & IncomingHttpStatusHeader) => resolve(headers[':status'] ?? 0))
    stream.once('error', (cause) => reject(broken(call, cause)))
    stream.once('close', () => reject(broken(call, undefined)))
  })
}

/** Cancels the stream when the caller gives up or the time is over; the answer undoes that. */
function limit(stream: ClientHttp2Stream, { clock, timeoutMs, call }: Reading): () => void {
  const abort = (): void => {
    stream.destroy(call.signal?.reason instanceof Error ? call.signal.reason : new Error('aborted'))
  }
  const cancel = clock.after(timeoutMs, () => {
    stream.destroy(new TimeoutError(`${call.method} ${call.path}: no answer within ${timeoutMs} ms`))
  })
  call.signal?.addEventListener('abort', abort, { once: true })
  if (call.signal?.aborted) abort()
  return () => {
    cancel()
    call.signal?.removeEventListener('abort', abort)
  }
}

/**
 * What comes on a stream. Reading begins with this call: of a stream that both sides have closed, Node's iterator says that it
 * broke off, whatever still waits in it.
 */
function bodyOf(stream: ClientHttp2Stream): AsyncIterable<Uint8Array> {
  const chunks: AsyncIterableIterator<Uint8Array> = stream[Symbol.asyncIterator]()
  const first = chunks.next()
  first.catch(() => {}) // the reader gets it
  async function* read(): AsyncGenerator<Uint8Array> {
    const { done, value } = await first
    if (done) return
    yield value
    yield* chunks
  }
  return read()
}

async function textOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}

async function readWhole(stream: ClientHttp2Stream, reading: Reading): Promise<{ code: number; text: string }> {
  const done = limit(stream, reading)
  const body = bodyOf(stream)
  try {
    const code = await answered(stream, reading.call)
    return { code, text: await textOf(body) }
  } catch (error) {
    if (reading.call.signal?.aborted) throw reading.call.signal.reason
    throw broken(reading.call, error)
  } finally {
    done()
  }
}

async function* readEvents(
  stream: ClientHttp2Stream,
  reading: Reading,
  refused: (code: number) => void,
): AsyncGenerator<{ type: string; object: object }> {
  const { call } = reading
  const noLongerTimed = limit(stream, reading)
  const body = bodyOf(stream)
  const abort = (): void => {
    stream.close(8) // CANCEL: a watch that its reader leaves is no failure
  }
  try {
    const code = await answered(stream, call)
    noLongerTimed()
    if (code >= 400) {
      refused(code)
      const text = await textOf(body)
      throw errorOf(code, parsed(text), text)
    }
    call.signal?.addEventListener('abort', abort, { once: true })
    if (call.signal?.aborted) return
    const lines = new JsonLines()
    for await (const chunk of body) yield* lines.push(chunk) as Generator<{ type: string; object: object }>
    yield* lines.flush() as Generator<{ type: string; object: object }>
  } catch (error) {
    if (call.signal?.aborted) return
    if (error instanceof SyntaxError) throw new ConnectionError(`watch of ${call.path}: a line is not JSON`, { cause: error })
    if (error instanceof Error && error.name === 'StatusError') throw error
    throw broken(call, error)
  } finally {
    noLongerTimed()
    call.signal?.removeEventListener('abort', abort)
    if (!stream.destroyed) stream.close(8)
  }
}
