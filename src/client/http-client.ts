import type { ClientHttp2Stream, IncomingHttpHeaders, IncomingHttpStatusHeader, OutgoingHttpHeaders } from 'node:http2'
import type { Clock } from '../host/clock.ts'
import { systemClock } from '../host/clock.ts'
import { type Client, ConnectionError } from './client.ts'
import { Http2Connection } from './http2-connection.ts'
import { JsonLines } from './json-lines.ts'
import { type Call, clientOver, errorOf, type Transport } from './resource-client.ts'

export interface HttpClientConfig {
  /** `https://host:port`. */
  server: string
  /** PEM of the authority that signed the server's certificate. */
  ca: string
  /** Client certificate and its key, PEM; or a bearer token. */
  cert?: string
  key?: string
  token?: string
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
  const connection = new Http2Connection({
    server: config.server,
    tls: { ca: config.ca, ...(config.cert ? { cert: config.cert } : {}), ...(config.key ? { key: config.key } : {}) },
    pingIntervalMs: config.pingIntervalMs ?? 10_000,
    clock,
  })
  const headersOf = (call: Call, length: number): OutgoingHttpHeaders => {
    const query = call.query.toString()
    return {
      ':method': call.method,
      ':path': query ? `${call.path}?${query}` : call.path,
      accept: 'application/json',
      'user-agent': config.userAgent ?? 'ownkube',
      ...(config.token ? { authorization: `Bearer ${config.token}` } : {}),
      ...(call.body ? { 'content-type': call.contentType, 'content-length': length } : {}),
    }
  }
  const send = async (call: Call): Promise<ClientHttp2Stream> => {
    const bytes = call.body ? Buffer.from(JSON.stringify(call.body)) : undefined
    const stream = await connection.request(headersOf(call, bytes?.length ?? 0))
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
      const object = parsed(text)
      if (code >= 400) throw errorOf(code, object, text)
      if (object === undefined) throw new ConnectionError(`${call.method} ${call.path}: the answer is not JSON: ${text.slice(0, 100)}`)
      return object
    },
    async *watch(call) {
      const stream = await send(call)
      yield* readEvents(stream, { clock, timeoutMs, call })
    },
    async text(path, signal) {
      const url = new URL(path, config.server)
      const call: Call = { method: 'GET', path: url.pathname, query: url.searchParams, contentType: '', body: undefined, signal }
      const { code, text } = await exchange(call)
      if (code >= 400) throw errorOf(code, parsed(text), text)
      return text
    },
    close: () => connection.close(),
  }
  return clientOver(transport)
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

async function readWhole(stream: ClientHttp2Stream, reading: Reading): Promise<{ code: number; text: string }> {
  const done = limit(stream, reading)
  try {
    const code = await answered(stream, reading.call)
    const chunks: Uint8Array[] = []
    for await (const chunk of stream) chunks.push(chunk as Uint8Array)
    return { code, text: Buffer.concat(chunks).toString('utf8') }
  } catch (error) {
    if (reading.call.signal?.aborted) throw reading.call.signal.reason
    throw broken(reading.call, error)
  } finally {
    done()
  }
}

async function* readEvents(stream: ClientHttp2Stream, reading: Reading): AsyncGenerator<{ type: string; object: object }> {
  const { call } = reading
  const noLongerTimed = limit(stream, reading)
  const abort = (): void => {
    stream.close(8) // CANCEL: a watch that its reader leaves is no failure
  }
  try {
    const code = await answered(stream, call)
    noLongerTimed()
    if (code >= 400) {
      const { text } = await readBody(stream)
      throw errorOf(code, parsed(text), text)
    }
    call.signal?.addEventListener('abort', abort, { once: true })
    if (call.signal?.aborted) return
    const lines = new JsonLines()
    for await (const chunk of stream) yield* lines.push(chunk as Uint8Array) as Generator<{ type: string; object: object }>
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

async function readBody(stream: ClientHttp2Stream): Promise<{ text: string }> {
  const chunks: Uint8Array[] = []
  for await (const chunk of stream) chunks.push(chunk as Uint8Array)
  return { text: Buffer.concat(chunks).toString('utf8') }
}
