import type { ClientHttp2Session, ClientHttp2Stream, OutgoingHttpHeaders } from 'node:http2'
import { connect } from 'node:http2'
import type { Clock } from '../host/clock.ts'
import { ConnectionError } from './client.ts'

export interface TlsOptions {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  readonly rejectUnauthorized?: false
  readonly servername?: string
}

interface ConnectionOptions {
  readonly server: string
  /** Asked whenever it connects: certificates are renewed. */
  readonly tls: () => Promise<TlsOptions>
  readonly pingIntervalMs: number
  readonly clock: Clock
}

/** Lists of thousands of objects arrive on one stream: the 64 KiB that HTTP/2 begins with would make that many round trips. */
const streamWindowBytes = 1 << 20
const sessionWindowBytes = 16 << 20
const connectTimeoutMs = 10_000

/**
 * One HTTP/2 session at a time, opened when a request needs it and replaced once it is lost. Callers that repeat
 * themselves (informers, work queues) bring their own back-off: here every request makes at most one attempt to connect,
 * shared with all others that wait for it.
 */
export class Http2Connection {
  readonly #options: ConnectionOptions
  #session: ClientHttp2Session | undefined
  #connecting: Promise<ClientHttp2Session> | undefined
  #closed = false

  constructor(options: ConnectionOptions) {
    this.#options = options
  }

  /** Opens a stream. Throws ConnectionError; nothing was sent then. */
  async request(headers: OutgoingHttpHeaders): Promise<ClientHttp2Stream> {
    for (let attempt = 0; ; attempt++) {
      const session = await this.#open()
      try {
        return session.request(headers, { endStream: false })
      } catch (cause) {
        // The session was told to go away between our look and this call: nothing has been sent, so a new one may take it.
        if (this.#session === session) this.#session = undefined
        if (attempt > 0) throw new ConnectionError(`${this.#options.server}: ${(cause as Error).message}`, { cause })
      }
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    const session = this.#session ?? (await this.#connecting?.catch(() => undefined)) // a failed attempt needs no closing
    this.#session = undefined
    if (!session || session.destroyed) return
    await new Promise<void>((resolve) => {
      session.once('close', resolve)
      session.destroy()
    })
  }

  async #open(): Promise<ClientHttp2Session> {
    if (this.#closed) throw new ConnectionError(`${this.#options.server}: the client was closed`)
    const session = this.#session
    if (session && !session.closed && !session.destroyed) return session
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = undefined
    })
    return this.#connecting
  }

  /** Requests to come get a new session; what is under way goes on with its own. */
  renew(): void {
    const session = this.#session
    this.#session = undefined
    session?.close()
  }

  async #connect(): Promise<ClientHttp2Session> {
    const { server, clock } = this.#options
    const tls = await this.#options.tls()
    return await new Promise((resolve, reject) => {
      const session = connect(server, {
        ...tls,
        ALPNProtocols: ['h2'],
        settings: { initialWindowSize: streamWindowBytes, enablePush: false },
        maxSessionMemory: 64,
      })
      const cancel = clock.after(connectTimeoutMs, () => {
        session.destroy(new Error(`no connection within ${connectTimeoutMs} ms`))
      })
      // Stays for the session's life: an 'error' without a listener would end the process. Streams get their own.
      session.on('error', (cause) => {
        cancel()
        reject(new ConnectionError(`${server}: ${cause.message}`, { cause }))
      })
      session.once('close', () => {
        cancel()
        if (this.#session === session) this.#session = undefined
        reject(new ConnectionError(`${server}: the connection was closed`))
      })
      session.once('goaway', () => {
        if (this.#session === session) this.#session = undefined // streams under way may end; new ones go elsewhere
      })
      session.once('connect', () => {
        cancel()
        if (session.destroyed) return // given up before it was there; `close` tells
        session.setLocalWindowSize(sessionWindowBytes)
        this.#session = session
        this.#keepAlive(session)
        resolve(session)
      })
    })
  }

  /** A peer that vanished without a word (power, network) answers no ping; only then do its streams fail. */
  #keepAlive(session: ClientHttp2Session): void {
    const { server, pingIntervalMs, clock } = this.#options
    let cancel = clock.after(pingIntervalMs, ping)
    function ping(): void {
      if (session.closed || session.destroyed) return
      cancel = clock.after(pingIntervalMs, () => {
        session.destroy(new ConnectionError(`${server}: no sign of life for ${pingIntervalMs} ms`))
      })
      session.ping((error) => {
        cancel()
        if (!error) cancel = clock.after(pingIntervalMs, ping)
      })
    }
    session.once('close', () => cancel())
  }
}
