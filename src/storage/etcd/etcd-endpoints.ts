import http2 from 'node:http2'
import type { Clock } from '../../host/clock.ts'
import { GrpcChannel } from '../../host/grpc.ts'
import type { Log } from '../../host/log.ts'
import { errorText } from '../../machinery/error-text.ts'
import { StoreClosedError, UnavailableError } from '../store.ts'

/** PEM. */
export interface EtcdTls {
  /** Who has signed etcd's certificates; absent: the authorities that Node knows. */
  readonly ca?: string | undefined
  /** How we show ourselves. */
  readonly cert?: string | undefined
  readonly key?: string | undefined
}

/** One member of the etcd cluster, as long as calls go to it. */
export interface Tenure {
  readonly url: string
  readonly channel: GrpcChannel
  /** Aborts when calls begin to go elsewhere: streams should follow. */
  readonly left: AbortSignal
}

interface Member {
  readonly url: string
  readonly channel: GrpcChannel
  failures: number
  /** On the monotonic clock. */
  notBefore: number
}

/** A list may be long, and etcd sends it as one message. */
const maxMessageBytes = 2 ** 30
const connectTimeoutMs = 2_000
const firstBackoffMs = 50
const lastBackoffMs = 5_000
/** etcd ends connections that ask more often than every 5 s. */
const ping = { everyMs: 6_000, withinMs: 2_000 }
const windowBytes = 4 << 20

/** The members of an etcd cluster: calls go to one of them until it fails, then to the next that can be reached. */
export class EtcdEndpoints {
  readonly #members: readonly Member[]
  readonly #clock: Clock
  readonly #log: Log
  #next = 0
  #failure: unknown
  #tenure: { readonly member: Member; readonly left: AbortController; readonly shown: Tenure } | undefined
  #choosing: Promise<Tenure> | undefined
  readonly #closed = new AbortController()

  constructor(options: { urls: readonly string[]; tls: EtcdTls; clock: Clock; log: Log }) {
    this.#clock = options.clock
    this.#log = options.log
    this.#members = options.urls.map((url) => ({
      url,
      channel: new GrpcChannel({ open: () => connect(url, options.tls), peer: url, clock: options.clock, maxMessageBytes, ping }),
      failures: 0,
      notBefore: 0,
    }))
  }

  /** A member that is connected. Throws {@link UnavailableError} when none could be reached by `deadline` (monotonic). */
  async current(deadline: number): Promise<Tenure> {
    for (;;) {
      if (this.#closed.signal.aborted) throw new StoreClosedError()
      if (this.#tenure?.member.channel.connected) return this.#tenure.shown
      this.#choosing ??= this.#choose().finally(() => {
        this.#choosing = undefined
      })
      try {
        return await this.#choosing
      } catch (error) {
        if (!(error instanceof UnavailableError) || this.#clock.monotonic() >= deadline) throw error
      }
    }
  }

  /** It has failed: calls go to another from now on, and come back to it after a while. */
  leave({ url, left }: Tenure, why: unknown): void {
    if (left.aborted || this.#tenure?.shown.url !== url) return
    const { member } = this.#tenure
    this.#log.warn('leaving a member of etcd', { url, error: why })
    this.#failure = why
    this.#penalize(member)
    this.#tenure.left.abort()
    this.#tenure = undefined
    this.#next = (this.#members.indexOf(member) + 1) % this.#members.length
  }

  /** It has answered: earlier failures are forgotten. */
  praise({ url }: Tenure): void {
    const member = this.#tenure?.member
    if (member?.url === url) member.failures = 0
  }

  close(): void {
    this.#closed.abort()
    this.#tenure?.left.abort()
    for (const { channel } of this.#members) channel.close()
  }

  /** One round over the members whose time has come, then a wait for the next that may be tried. */
  async #choose(): Promise<Tenure> {
    this.#tenure?.left.abort()
    this.#tenure = undefined
    for (let i = 0; i < this.#members.length; i++) {
      const at = (this.#next + i) % this.#members.length
      const member = this.#members[at] as Member
      if (member.notBefore > this.#clock.monotonic()) continue
      try {
        await member.channel.ready(connectTimeoutMs)
        const left = new AbortController()
        const shown = { url: member.url, channel: member.channel, left: left.signal }
        this.#next = at
        this.#tenure = { member, left, shown }
        this.#log.debug('connected to etcd', { url: member.url })
        return shown
      } catch (error) {
        this.#failure = error
        this.#penalize(member)
      }
    }
    const waitMs = Math.min(...this.#members.map(({ notBefore }) => notBefore)) - this.#clock.monotonic()
    await this.#clock.sleep(Math.max(1, Math.min(waitMs, 1_000)), this.#closed.signal).catch(() => {}) // closed: found out by the caller
    throw new UnavailableError(`no member of etcd can be reached${this.#failure ? `: ${errorText(this.#failure)}` : ''}`, {
      cause: this.#failure,
    })
  }

  #penalize(member: Member): void {
    const backoffMs = Math.min(firstBackoffMs * 2 ** member.failures, lastBackoffMs)
    member.failures++
    member.notBefore = this.#clock.monotonic() + backoffMs
  }
}

function connect(url: string, { ca, cert, key }: EtcdTls): http2.ClientHttp2Session {
  const session = http2.connect(url, {
    ...(ca ? { ca } : {}),
    ...(cert ? { cert } : {}),
    ...(key ? { key } : {}),
    settings: { initialWindowSize: windowBytes, enablePush: false },
    // Megabytes; Node's 10 would refuse streams while a hundred large writes are under way.
    maxSessionMemory: 1_000,
  })
  session.once('connect', () => {
    // A connection that came too late has been given up.
    if (!session.destroyed) session.setLocalWindowSize(4 * windowBytes)
  })
  return session
}
