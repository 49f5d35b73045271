import type { Clock } from '../../host/clock.ts'
import type { Random } from '../../host/random.ts'
import type { EtcdCalls } from './etcd-calls.ts'
import { leaseGrant, leases, leaseTime } from './etcd-messages.ts'

interface Deps {
  readonly calls: EtcdCalls
  readonly clock: Clock
  readonly random: Random
}

/** Values that are written within this time and live as long share a lease, which etcd has to keep account of. */
const sharedForMs = 1_000
/** A lease outlives what is attached to it last by this, so that no value goes before its time. */
const slackSeconds = 2

/** etcd's leases, for values with a time to live. */
export class ExpiryLeases {
  readonly #deps: Deps
  readonly #current = new Map<number, { readonly until: number; readonly id: Promise<number> }>()

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** A lease that lives at least so long from now. */
  lease(ttlSeconds: number): Promise<number> {
    const now = this.#deps.clock.monotonic()
    const shared = this.#current.get(ttlSeconds)
    if (shared && shared.until > now) return shared.id
    for (const [other, { until }] of this.#current) if (until <= now) this.#current.delete(other)
    const id = this.#grant(Math.ceil(ttlSeconds) + slackSeconds)
    this.#current.set(ttlSeconds, { until: now + sharedForMs, id })
    id.catch(() => this.#current.delete(ttlSeconds)) // whoever asked gets the error
    return id
  }

  /** Every key of etcd that has a lease, with the seconds that it has left. */
  async secondsLeft(): Promise<(readonly [key: Uint8Array, seconds: number])[]> {
    const { calls } = this.#deps
    const found: (readonly [Uint8Array, number])[] = []
    for (const { id } of (await calls.read(leases, {})).leases) {
      const { secondsLeft, keys } = await calls.read(leaseTime, { id, keys: true })
      if (secondsLeft >= 0) for (const key of keys) found.push([key, secondsLeft])
    }
    return found
  }

  /** One that nobody hears of, as its answer was lost, ends by itself. */
  async #grant(ttlSeconds: number): Promise<number> {
    const id = 1 + Math.floor(this.#deps.random.float() * (Number.MAX_SAFE_INTEGER - 1))
    await this.#deps.calls.write(leaseGrant, { id, ttlSeconds }, false)
    return id
  }
}
