import type { Clock } from '../host/clock.ts'
import type { Log } from '../host/log.ts'
import type { Store } from '../storage/store.ts'

export interface Advertised {
  readonly address: string
  readonly port: number
}

/** Where a cluster is reached: servers that share it serve on one port. */
export interface ReachedAt {
  readonly addresses: readonly string[]
  readonly port: number
}

interface Deps {
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  readonly own: Advertised
  /** Called when the others may have changed. */
  readonly renewed: () => Promise<void>
}

/** As upstream's lease reconciler. */
const lifeSeconds = 15
const renewEveryMs = 10_000
const retryAfterMs = 1_000
const prefix = '/servers/'

/** Whether a key tells of a server rather than of the cluster. */
export function isServerKey(key: string): boolean {
  return key.startsWith(prefix)
}

/** The servers that serve from a store now, or did until {@link lifeSeconds} ago. */
export async function serversOf(store: Store): Promise<Advertised[]> {
  const { entries } = await store.list(prefix)
  return entries.map(({ value }) => JSON.parse(Buffer.from(value).toString()) as Advertised)
}

/** Where the servers that share a store are reached: each tells of itself by a key that goes when it is renewed no more. */
export class ServerAddresses {
  readonly #deps: Deps
  #cancel: () => void = () => {}
  #closed = false

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** Tells of this server, and goes on doing so. */
  async begin(): Promise<void> {
    await this.#announce()
    this.#schedule(renewEveryMs)
  }

  #schedule(delayMs: number): void {
    const { clock, log, renewed } = this.#deps
    this.#cancel = clock.after(delayMs, () => {
      this.#announce()
        .then(renewed)
        .then(() => renewEveryMs)
        .catch((error: unknown) => {
          log.warn('cannot tell where this server is reached', { error })
          return retryAfterMs
        })
        .then((nextMs) => {
          if (!this.#closed) this.#schedule(nextMs)
        })
    })
  }

  async #announce(): Promise<void> {
    const value = Buffer.from(JSON.stringify(this.#deps.own))
    await this.#deps.store.commit([{ key: this.#key, value, expect: undefined, ttlSeconds: lifeSeconds }])
  }

  /** All of them. Where their ports differ, those on the lowest. */
  async all(): Promise<ReachedAt> {
    const found = await serversOf(this.#deps.store)
    const port = Math.min(...found.map((one) => one.port))
    const addresses = found.filter((one) => one.port === port).map(({ address }) => address)
    return { addresses: [...new Set(addresses)].sort(), port: found.length > 0 ? port : this.#deps.own.port }
  }

  /** The others are to know at once that this server goes. */
  async end(): Promise<void> {
    this.#closed = true
    this.#cancel()
    await this.#deps.store.commit([{ key: this.#key, value: undefined, expect: undefined }])
    await this.#deps.renewed()
  }

  get #key(): string {
    return `${prefix}${this.#deps.own.address}:${this.#deps.own.port}`
  }
}
