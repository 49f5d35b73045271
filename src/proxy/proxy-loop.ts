import type { EndpointSlice, Service } from '../api/generated/types.ts'
import type { Informer } from '../client/informer.ts'
import type { Clock } from '../host/clock.ts'
import type { Log } from '../host/log.ts'
import type { Conntrack } from '../netfilter/conntrack.ts'
import type { ProxyHealth } from './health-server.ts'
import type { ProxyMetrics } from './metrics.ts'
import { type ServiceChanges, slicesByService } from './service-changes.ts'
import type { AddressFamily } from './service-port.ts'
import type { ServiceRules } from './service-rules.ts'
import type { ServiceTable } from './service-table.ts'
import { expanded, frontendKey, type ServedFrontend, staleFlows } from './udp-flows.ts'

/** What the loop keeps for one address family. */
export interface FamilyServices {
  readonly rules: ServiceRules
  readonly table: ServiceTable
  /** The addresses at which node ports answer, as they are now. */
  nodePortAddresses(): Promise<readonly string[]>
}

export interface ProxyLoopDeps {
  services: Informer<Service>
  slices: Informer<EndpointSlice>
  clock: Clock
  log: Log
  metrics: ProxyMetrics
  families: readonly FamilyServices[]
  flows: Conntrack
  checkIntervalMs: number
}

/** Looking for drift may take at most one part in this many of the time. */
const checkBudget = 50
const firstRetryMs = 500
const longestRetryMs = 30_000
/** Rules that are behind for longer than this make the proxy unhealthy. */
const unhealthyAfterMs = 60_000

/**
 * One thing at a time: a change of the rules, or a look for drift. A change is applied at once when nothing is under
 * way; while one is, further marks gather and become one transaction.
 */
export class ProxyLoop {
  readonly #deps: ProxyLoopDeps
  /** Frontends whose stale flows still have to be looked for, by `address:port`. */
  readonly #toCheck = new Map<string, ServedFrontend>()
  #wake: () => void = () => undefined
  #behindSinceMs: number | undefined
  #retryMs = firstRetryMs
  #checkDelayMs: number

  constructor(deps: ProxyLoopDeps) {
    this.#deps = deps
    this.#checkDelayMs = deps.checkIntervalMs
  }

  wake(): void {
    const { clock, metrics } = this.#deps
    metrics.lastQueuedMs = clock.now()
    this.#behindSinceMs ??= clock.monotonic()
    this.#wake()
  }

  health(): ProxyHealth {
    const { clock, metrics } = this.#deps
    const behind = this.#behindSinceMs !== undefined && clock.monotonic() - this.#behindSinceMs > unhealthyAfterMs
    return { lastUpdatedMs: metrics.lastSyncMs, nowMs: clock.now(), healthy: metrics.lastSyncMs > 0 && !behind }
  }

  /** Brings the kernel up to date with all marks so far. Throws if it refuses; what was learned stays, and the next call tries again. */
  async syncOnce(changes: ServiceChanges): Promise<void> {
    const { clock, metrics, families, log } = this.#deps
    const started = clock.monotonic()
    const { keys, triggers } = changes.take()
    for (const key of keys) this.#update(key)
    const sum = { written: 0, removed: 0 }
    for (const { rules } of families) {
      const applied = await rules.apply()
      sum.written += applied?.written ?? 0
      sum.removed += applied?.removed ?? 0
    }
    if (!changes.pending) this.#behindSinceMs = undefined
    const now = clock.now()
    metrics.syncSeconds.observe((clock.monotonic() - started) / 1000)
    for (const trigger of triggers) metrics.programmingSeconds.observe(Math.max(0, now - trigger) / 1000)
    metrics.lastSyncMs = now
    metrics.serviceChanges = changes.serviceChanges
    metrics.endpointChanges = changes.endpointChanges
    metrics.lastRules = sum.written
    if (sum.written + sum.removed > 0) log.debug('rules changed', { services: keys.length, ...sum })
    await this.#forgetStaleFlows()
  }

  #update(key: string): void {
    const { services, slices, families } = this.#deps
    const service = services.get(key)
    const its = slices.byIndex(slicesByService, key)
    for (const { rules, table } of families) {
      const { ports, toCheck } = table.update(key, service, its)
      rules.update(key, ports)
      for (const frontend of toCheck) this.#toCheck.set(frontendKey(frontend), frontend)
    }
  }

  /** Until the signal. Failures are logged and tried again, ever more slowly. */
  async run(changes: ServiceChanges, signal: AbortSignal): Promise<void> {
    const { clock, log, metrics } = this.#deps
    let failed = false
    while (!signal.aborted) {
      const why = failed ? await this.#pause(signal) : await this.#wait(changes.pending, signal)
      if (why === 'mark') await clock.sleep(0) // what came in together is handed on together
      if (signal.aborted) return
      try {
        if (why === 'check') await this.#check()
        else await this.syncOnce(changes)
        failed = false
        this.#retryMs = firstRetryMs
      } catch (error) {
        metrics.restoreFailures++
        log.error('cannot program the Service rules; will try again', { error, afterMs: this.#retryMs })
        this.#behindSinceMs ??= clock.monotonic()
        if (failed) this.#retryMs = Math.min(this.#retryMs * 2, longestRetryMs)
        failed = true
      }
    }
  }

  /** After a failure only time counts: what failed would most likely fail again at once. */
  async #pause(signal: AbortSignal): Promise<'retry'> {
    await this.#deps.clock.sleep(this.#retryMs, signal).catch((reason: unknown) => {
      if (!signal.aborted) throw reason
    })
    return 'retry'
  }

  /** Until something is marked, it is time to look for drift, or the signal comes. */
  #wait(marked: boolean, signal: AbortSignal): Promise<'mark' | 'check'> {
    if (marked) return Promise.resolve('mark')
    return new Promise((resolve) => {
      const finish = (why: 'mark' | 'check') => (): void => {
        cancel()
        signal.removeEventListener('abort', onAbort)
        this.#wake = () => undefined
        resolve(why)
      }
      const onAbort = finish('check')
      const cancel = this.#deps.clock.after(this.#checkDelayMs, finish('check'))
      signal.addEventListener('abort', onAbort, { once: true })
      this.#wake = finish('mark')
    })
  }

  async #check(): Promise<void> {
    const { clock, metrics, families, checkIntervalMs } = this.#deps
    const started = clock.monotonic()
    for (const { rules } of families) if (await rules.repair()) metrics.repairs++
    this.#checkDelayMs = Math.max(checkIntervalMs, (clock.monotonic() - started) * checkBudget)
    await this.#forgetStaleFlows()
  }

  /** The rules are in place by now, so a flow that is forgotten comes back to a serving endpoint. */
  async #forgetStaleFlows(): Promise<void> {
    if (this.#toCheck.size === 0) return
    const { families, flows, log, metrics } = this.#deps
    // What went from one Service to another in the meantime is served by the other.
    const current = [...this.#toCheck].map(([key, frontend]) => {
      const now = families.map(({ table }) => table.frontend(key)).find((each) => each !== undefined)
      return now ?? frontend
    })
    try {
      const addressesOf = async (family: AddressFamily): Promise<readonly string[]> =>
        (await families.find(({ rules }) => rules.family === family)?.nodePortAddresses()) ?? []
      const frontends = await expanded(current, addressesOf)
      for (const flow of staleFlows(frontends, await flows.list(frontends))) {
        await flows.forget(flow)
        metrics.staleFlowsRemoved++
      }
      this.#toCheck.clear()
    } catch (error) {
      // The rules are right all the same; old UDP flows stay until the next attempt.
      log.warn('cannot forget UDP flows to former endpoints; will try again', { error })
    }
  }
}
