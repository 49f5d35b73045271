import type { Clock } from '../host/clock.ts'
import type { Log } from '../host/log.ts'
import { rangeMatcher } from '../netfilter/address-range.ts'
import type { Conntrack } from '../netfilter/conntrack/conntrack.ts'
import type { ProxyMetrics } from './metrics.ts'
import type { AddressFamily } from './service-port.ts'
import { expanded, frontendKey, isTranslated, type ServedFrontend, staleAmong, watchedProtocols } from './stale-flows.ts'

interface FlowCleanerDeps {
  conntrack: Conntrack
  clock: Clock
  log: Log
  metrics: ProxyMetrics
  /** Where node ports of a family answer, as it is now. */
  addressesOf(family: AddressFamily): Promise<readonly string[]>
  /** Who serves a frontend now: it may have passed from one Service to another. */
  frontend(key: string): ServedFrontend | undefined
  /** Addresses that only Services have. */
  serviceCidrs(): readonly string[]
}

const firstRetryMs = 2_000
const longestRetryMs = 60_000

/**
 * Forgets flows of UDP and SCTP to endpoints that serve no more, beside the loop that programs rules and never in its way: a
 * listing takes seconds where there are a million flows. What is added while one is under way is looked at next.
 */
export class FlowCleaner {
  readonly #deps: FlowCleanerDeps
  /** By {@link frontendKey}. */
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
        log.warn('cannot forget flows to former endpoints; will try again', { error, afterMs: retryMs })
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
    const { clock, metrics } = this.#deps
    const started = clock.monotonic()
    const taken = this.#pending
    this.#pending = new Map()
    try {
      const current = [...taken].map(([key, frontend]) => this.#deps.frontend(key) ?? frontend)
      await this.#forgetStale(await expanded(current, (family) => this.#deps.addressesOf(family)))
      if (this.#leftovers) await this.#forgetLeftOver()
      this.#leftovers = false
      metrics.flowsSeconds.observe((clock.monotonic() - started) / 1000)
    } catch (error) {
      this.#pending = new Map([...taken, ...this.#pending])
      throw error
    }
  }

  /** One listing for each family and protocol, which the kernel narrows where there is but one frontend. */
  async #forgetStale(frontends: readonly ServedFrontend[]): Promise<void> {
    const { conntrack, metrics } = this.#deps
    for (const family of families) {
      for (const protocol of watchedProtocols) {
        const its = frontends.filter((each) => each.protocol === protocol && isOf(family, each.address))
        if (its.length === 0) continue
        const to = its.length === 1 ? its[0] : undefined
        metrics.staleFlowsRemoved += await conntrack.forget({ family, protocol, to }, staleAmong(its))
      }
    }
  }

  /** Translated, to an address that only Services have, at a port that none of them has: of one that is gone. */
  async #forgetLeftOver(): Promise<void> {
    const { conntrack, metrics } = this.#deps
    const serviceCidrs = this.#deps.serviceCidrs()
    const isService = rangeMatcher(serviceCidrs)
    for (const family of families.filter((each) => serviceCidrs.some((cidr) => isOf(each, cidr)))) {
      for (const protocol of watchedProtocols) {
        metrics.staleFlowsRemoved += await conntrack.forget(
          { family, protocol },
          (flow) => isTranslated(flow) && isService(flow.address) && this.#deps.frontend(frontendKey(flow)) === undefined,
        )
      }
    }
  }
}

const families = ['IPv4', 'IPv6'] as const
const isOf = (family: AddressFamily, address: string): boolean => address.includes(':') === (family === 'IPv6')
