import type { Clock } from '../host/clock.ts'
import type { Log } from '../host/log.ts'
import { rangeMatcher } from '../netfilter/address-range.ts'
import type { Conntrack, UdpFlows } from '../netfilter/conntrack.ts'
import type { ProxyMetrics } from './metrics.ts'
import type { AddressFamily } from './service-port.ts'
import { expanded, frontendKey, type ServedFrontend, staleFlows } from './udp-flows.ts'

interface FlowCleanerDeps {
  flows: Conntrack
  clock: Clock
  log: Log
  metrics: ProxyMetrics
  /** Where node ports of a family answer, as it is now. */
  addressesOf(family: AddressFamily): Promise<readonly string[]>
  /** Who serves a frontend now: it may have passed from one Service to another. */
  frontend(key: string): ServedFrontend | undefined
  /** Addresses that only Services have. */
  serviceCidrs: readonly string[]
}

const firstRetryMs = 2_000
const longestRetryMs = 60_000

/**
 * Forgets UDP flows to endpoints that serve no more, beside the loop that programs rules and never in its way: a listing
 * takes seconds where there are a million flows. What is added while one is under way is looked at next.
 */
export class FlowCleaner {
  readonly #deps: FlowCleanerDeps
  /** By `address:port`. */
  #pending = new Map<string, ServedFrontend>()
  /** Services that went while no proxy ran left flows that nobody else will ask about. */
  #leftovers = true
  #wake: () => void = () => undefined

  constructor(deps: FlowCleanerDeps) {
    this.#deps = deps
  }

  /** The rules of these frontends are in the kernel: a flow that is forgotten comes back to a serving endpoint. */
  add(frontends: Iterable<ServedFrontend>): void {
    for (const frontend of frontends) this.#pending.set(frontendKey(frontend), frontend)
    if (this.#pending.size > 0) this.#wake()
  }

  /** Until the signal. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#deps
    let retryMs = firstRetryMs
    while (!signal.aborted) {
      if (!this.#hasWork()) await this.#work(signal)
      if (signal.aborted) return
      try {
        await this.#pass()
        retryMs = firstRetryMs
      } catch (error) {
        // The rules are right all the same.
        log.warn('cannot forget UDP flows to former endpoints; will try again', { error, afterMs: retryMs })
        await clock.sleep(retryMs, signal).catch((reason: unknown) => {
          if (!signal.aborted) throw reason
        })
        retryMs = Math.min(retryMs * 2, longestRetryMs)
      }
    }
  }

  #hasWork(): boolean {
    return this.#pending.size > 0 || this.#leftovers
  }

  #work(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        signal.removeEventListener('abort', done)
        this.#wake = () => undefined
        resolve()
      }
      signal.addEventListener('abort', done, { once: true })
      this.#wake = done
    })
  }

  async #pass(): Promise<void> {
    const { clock, flows, metrics } = this.#deps
    const started = clock.monotonic()
    const taken = this.#pending
    this.#pending = new Map()
    try {
      const current = [...taken].map(([key, frontend]) => this.#deps.frontend(key) ?? frontend)
      const frontends = await expanded(current, (family) => this.#deps.addressesOf(family))
      const stale = staleFlows(frontends, await flows.list(frontends))
      if (this.#leftovers) for (const flow of await this.#leftOver()) stale.push(flow)
      for (const flow of stale) {
        await flows.forget(flow)
        metrics.staleFlowsRemoved++
      }
      this.#leftovers = false
      metrics.flowsSeconds.observe((clock.monotonic() - started) / 1000)
    } catch (error) {
      this.#pending = new Map([...taken, ...this.#pending])
      throw error
    }
  }

  /** Translated, to an address that only Services have, at a port that none of them has: of one that is gone. */
  async #leftOver(): Promise<UdpFlows[]> {
    const { flows, serviceCidrs } = this.#deps
    if (serviceCidrs.length === 0) return []
    const found = await flows.listTo(rangeMatcher(serviceCidrs))
    return found.filter((flow) => flow.replyAddress !== flow.address && this.#deps.frontend(frontendKey(flow)) === undefined)
  }
}
