import type { EndpointSlice, Service } from '../api/generated/types.ts'
import type { Informer } from '../client/informer.ts'
import type { Clock } from '../host/clock.ts'
import type { Log } from '../host/log.ts'
import { objectKey } from '../machinery/object.ts'
import type { FamilyServices } from './family-services.ts'
import type { FlowCleaner } from './flow-cleaner.ts'
import type { ProxyHealth } from './health-server.ts'
import type { ProxyMetrics } from './metrics.ts'
import { type ServiceChanges, slicesByService } from './service-changes.ts'
import { localHealthOf, type ServiceHealth } from './service-health.ts'
import type { Applied, PortWithChoice, ServiceRules } from './service-rules.ts'
import type { ServedFrontend } from './stale-flows.ts'

export interface ProxyLoopDeps {
  services: Informer<Service>
  slices: Informer<EndpointSlice>
  clock: Clock
  log: Log
  metrics: ProxyMetrics
  families: readonly FamilyServices[]
  flowCleaner: FlowCleaner
  serviceHealth: ServiceHealth
  nodeName: string
  nodeEligible(): boolean
  checkIntervalMs: number
  /** At least this long from one change of the rules to the next; changes in between are gathered. */
  minSyncIntervalMs: number
}

/** Looking for drift may take at most one part in this many of the time; where others' changes are told, there is little to find. */
const checkBudget = 50
const toldCheckBudget = 2000
/** Someone else's change is looked at after this time, for it seldom comes alone; ever later while there always is something to put right. */
const firstLookDelayMs = 20
const longestLookDelayMs = 5_000
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
  /** Frontends with watched flows that changed, whose rules are not in the kernel yet. */
  readonly #toCheck: ServedFrontend[] = []
  #wake: () => void = () => undefined
  #wakeToLook: () => void = () => undefined
  /** When to look at what someone else changed; undefined: nobody did. */
  #lookAtMs: number | undefined
  #lookDelayMs = firstLookDelayMs
  #behindSinceMs: number | undefined
  #retryMs = firstRetryMs
  #lastSyncMs = 0
  #lastStartMs = Number.NEGATIVE_INFINITY
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

  /** Someone else changed our rules, or may have. */
  lookSoon(): void {
    this.#lookAtMs ??= this.#deps.clock.monotonic() + this.#lookDelayMs
    this.#wakeToLook()
  }

  health(): ProxyHealth {
    const { clock, nodeEligible } = this.#deps
    const behind = this.#behindSinceMs !== undefined && clock.monotonic() - this.#behindSinceMs > unhealthyAfterMs
    const healthy = this.#lastSyncMs > 0 && !behind
    return { lastUpdatedMs: this.#lastSyncMs, nowMs: clock.now(), healthy, nodeEligible: nodeEligible() }
  }

  /** Brings the kernel up to date with all marks so far. Throws if it refuses; what was learned stays, and the next call tries again. */
  async syncOnce(changes: ServiceChanges): Promise<void> {
    const { clock, families, log } = this.#deps
    this.#lastStartMs = clock.monotonic()
    const { keys: marked, everything, triggers } = changes.take()
    for (const key of everything ? await this.#allKeys(marked, changes) : marked) this.#update(key)
    const sum = { written: 0, removed: 0 }
    for (const { rules } of families) {
      const applied = await this.#apply(rules, triggers)
      sum.written += applied?.written ?? 0
      sum.removed += applied?.removed ?? 0
    }
    this.#lastSyncMs = clock.now()
    if (!changes.pending) this.#behindSinceMs = undefined
    if (sum.written + sum.removed > 0) log.debug('rules changed', { services: marked.length, everything, ...sum })
    this.#deps.flowCleaner.add(this.#toCheck.splice(0))
    await this.#deps.serviceHealth.apply()
  }

  /** Every Service anew: endpoints are chosen by the node's zone, and rules that depend on its addresses begin afresh. */
  async #allKeys(marked: readonly string[], changes: ServiceChanges): Promise<Iterable<string>> {
    const { families, services, log } = this.#deps
    try {
      for (const family of families) {
        if (await family.refresh()) log.info('the node changed: rules follow', { family: family.rules.family })
      }
    } catch (error) {
      changes.markEverything() // for the next attempt
      throw error
    }
    return new Set([...marked, ...services.list().map(objectKey)])
  }

  async #apply(rules: ServiceRules, triggers: readonly number[]): Promise<Applied | undefined> {
    const { clock, metrics } = this.#deps
    const counted = metrics.of(rules.family)
    const started = clock.monotonic()
    let applied: Applied | undefined
    try {
      applied = await rules.apply()
    } catch (error) {
      counted.failures++
      throw error
    }
    const now = clock.now()
    counted.syncSeconds.observe((clock.monotonic() - started) / 1000)
    for (const trigger of triggers) counted.programmingSeconds.observe(Math.max(0, now - trigger) / 1000)
    counted.lastSyncMs = now
    counted.lastRules = applied?.written ?? 0
    return applied
  }

  #update(key: string): void {
    const { services, slices, families, serviceHealth, nodeName } = this.#deps
    const service = services.get(key)
    const its = slices.byIndex(slicesByService, key)
    const choices: PortWithChoice[][] = []
    for (const { rules, table } of families) {
      const { ports, toCheck } = table.update(key, service, its)
      rules.update(key, ports)
      choices.push([...ports])
      this.#toCheck.push(...toCheck)
    }
    serviceHealth.update(key, localHealthOf(service, choices, nodeName))
  }

  /** Until the signal. Failures are logged and tried again, ever more slowly. */
  async run(changes: ServiceChanges, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#deps
    let failed = false
    while (!signal.aborted) {
      const why = failed ? await this.#pause(signal) : await this.#wait(changes.pending, signal)
      if (why === 'look') continue
      if (why === 'mark') await this.#gather(signal)
      if (signal.aborted) return
      try {
        if (why === 'check') await this.#check()
        else await this.syncOnce(changes)
        failed = false
        this.#retryMs = firstRetryMs
      } catch (error) {
        log.error('cannot program the Service rules; will try again', { error, afterMs: this.#retryMs })
        this.#behindSinceMs ??= clock.monotonic()
        if (failed) this.#retryMs = Math.min(this.#retryMs * 2, longestRetryMs)
        failed = true
      }
    }
  }

  /** What came in together is handed on together, and no sooner after the last change than is wanted. */
  async #gather(signal: AbortSignal): Promise<void> {
    const { clock, minSyncIntervalMs } = this.#deps
    const waitMs = Math.max(0, this.#lastStartMs + minSyncIntervalMs - clock.monotonic())
    await clock.sleep(waitMs, signal).catch((reason: unknown) => {
      if (!signal.aborted) throw reason
    })
  }

  /** After a failure only time counts: what failed would most likely fail again at once. */
  async #pause(signal: AbortSignal): Promise<'retry'> {
    await this.#deps.clock.sleep(this.#retryMs, signal).catch((reason: unknown) => {
      if (!signal.aborted) throw reason
    })
    return 'retry'
  }

  /** Until something is marked, it is time to look for drift, that time changes (`look`), or the signal comes. */
  #wait(marked: boolean, signal: AbortSignal): Promise<'mark' | 'check' | 'look'> {
    if (marked) return Promise.resolve('mark')
    return new Promise((resolve) => {
      const finish = (why: 'mark' | 'check' | 'look') => (): void => {
        cancel()
        signal.removeEventListener('abort', onAbort)
        this.#wake = () => undefined
        this.#wakeToLook = () => undefined
        resolve(why)
      }
      const onAbort = finish('check')
      const { clock } = this.#deps
      const lookMs = this.#lookAtMs === undefined ? this.#checkDelayMs : Math.max(0, this.#lookAtMs - clock.monotonic())
      const cancel = clock.after(Math.min(lookMs, this.#checkDelayMs), finish('check'))
      signal.addEventListener('abort', onAbort, { once: true })
      this.#wake = finish('mark')
      this.#wakeToLook = finish('look')
    })
  }

  async #check(): Promise<void> {
    const { clock, metrics, families, checkIntervalMs } = this.#deps
    const started = clock.monotonic()
    this.#lookAtMs = undefined
    let repaired = false
    for (const { rules, table } of families) {
      if (!(await rules.repair())) continue
      repaired = true
      metrics.repairs++
      // A flow that began while its rules were away was never translated, and would not be for as long as it goes on.
      this.#deps.flowCleaner.add(table.frontends())
    }
    this.#lookDelayMs = repaired ? Math.min(this.#lookDelayMs * 2, longestLookDelayMs) : firstLookDelayMs
    const budget = families.every(({ rules }) => rules.isTold) ? toldCheckBudget : checkBudget
    this.#checkDelayMs = Math.max(checkIntervalMs, (clock.monotonic() - started) * budget)
  }
}
