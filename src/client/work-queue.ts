import type { Clock } from '../host/clock.ts'
import type { Log } from '../host/log.ts'
import { isConflict } from '../machinery/status.ts'
import type { MeasuredQueue, WorkQueueMetrics } from './work-queue-metrics.ts'

const firstRetryMs = 5
const longestRetryMs = 1_000_000
/** Timers take no more than 31 bits of milliseconds; a key that comes sooner than was asked finds that it is early. */
const longestWaitMs = 2 ** 31 - 1

export interface WorkQueueDeps {
  clock: Clock
  log: Log
  /** Ends the queue: what waits is dropped, what runs runs to its end. */
  signal: AbortSignal
  /** Names the queue in the log, and where it is measured. */
  name: string
  /** Absent: nobody measures it. */
  queueMetrics?: WorkQueueMetrics
}

/**
 * Keys of objects that need a look. A key waits at most once; one that is added while it is worked on comes again
 * afterwards, so that no two workers ever hold the same key and no change goes unseen.
 */
export class WorkQueue implements MeasuredQueue {
  readonly #deps: WorkQueueDeps
  readonly #ready: string[] = []
  /** Keys in #ready, or running and to come again. */
  readonly #dirty = new Set<string>()
  readonly #running = new Set<string>()
  /** Since when keys wait or are worked on, where that is measured. */
  readonly #since = new Map<string, { waitingMs?: number; runningMs?: number }>()
  readonly #delayed = new Map<string, { atMs: number; cancel: () => void }>()
  readonly #failures = new Map<string, number>()
  readonly #idleWorkers: ((key: string | undefined) => void)[] = []

  constructor(deps: WorkQueueDeps) {
    this.#deps = deps
    deps.queueMetrics?.follow(this)
    deps.signal.addEventListener('abort', () => this.#stop(), { once: true })
  }

  get name(): string {
    return this.#deps.name
  }

  get length(): number {
    return this.#ready.length
  }

  runningMs(): number[] {
    const now = this.#deps.clock.monotonic()
    return [...this.#since.values()].flatMap(({ runningMs }) => (runningMs === undefined ? [] : [now - runningMs]))
  }

  add(key: string): void {
    if (this.#deps.signal.aborted || this.#dirty.has(key)) return
    this.#dirty.add(key)
    this.#measureAdded(key)
    if (!this.#running.has(key)) this.#offer(key)
  }

  /** Adds later; of several delays the soonest counts. */
  addAfter(key: string, wantedMs: number): void {
    if (this.#deps.signal.aborted) return
    const delayMs = Math.min(wantedMs, longestWaitMs)
    if (delayMs <= 0) {
      this.add(key)
      return
    }
    const atMs = this.#deps.clock.monotonic() + delayMs
    const waiting = this.#delayed.get(key)
    if (waiting && waiting.atMs <= atMs) return
    waiting?.cancel()
    const cancel = this.#deps.clock.after(delayMs, () => {
      this.#delayed.delete(key)
      this.add(key)
    })
    this.#delayed.set(key, { atMs, cancel })
  }

  /** Adds after 5 ms, doubled with each time since the last `forget`, up to 1000 s. */
  addRateLimited(key: string): void {
    const failures = this.#failures.get(key) ?? 0
    this.#failures.set(key, failures + 1)
    this.addAfter(key, Math.min(longestRetryMs, firstRetryMs * 2 ** Math.min(failures, 30)))
  }

  /** The key went well: its next failure waits briefly again. */
  forget(key: string): void {
    this.#failures.delete(key)
  }

  failures(key: string): number {
    return this.#failures.get(key) ?? 0
  }

  /** `count` workers call `handle` until the signal; a key whose handling throws is tried again, ever later. Resolves when all have ended. */
  async runWorkers(count: number, handle: (key: string) => Promise<void>): Promise<void> {
    await Promise.all(Array.from({ length: count }, () => this.#work(handle)))
  }

  async #work(handle: (key: string) => Promise<void>): Promise<void> {
    for (let key = await this.#take(); key !== undefined; key = await this.#take()) {
      try {
        await handle(key)
        this.forget(key)
      } catch (error) {
        if (this.#deps.signal.aborted) return
        this.#report(key, error)
        this.#deps.queueMetrics?.retried(this.#deps.name)
        this.addRateLimited(key)
      } finally {
        this.#done(key)
      }
    }
  }

  #report(key: string, error: unknown): void {
    const fields = { queue: this.#deps.name, key, error, failures: this.failures(key) + 1 }
    if (isConflict(error)) this.#deps.log.debug('the object changed meanwhile; trying again', fields)
    else this.#deps.log.warn('handling failed; trying again', fields)
  }

  #take(): Promise<string | undefined> | string | undefined {
    if (this.#deps.signal.aborted) return undefined
    const key = this.#ready.shift()
    if (key !== undefined) return this.#begin(key)
    return new Promise((resolve) => {
      this.#idleWorkers.push(resolve)
    })
  }

  #offer(key: string): void {
    const worker = this.#idleWorkers.shift()
    if (worker) worker(this.#begin(key))
    else this.#ready.push(key)
  }

  #measureAdded(key: string): void {
    const { queueMetrics, clock, name } = this.#deps
    if (!queueMetrics) return
    queueMetrics.added(name)
    this.#since.set(key, { ...this.#since.get(key), waitingMs: clock.monotonic() })
  }

  #measureBegun(key: string): void {
    const { queueMetrics, clock, name } = this.#deps
    const since = this.#since.get(key)
    if (!queueMetrics || since?.waitingMs === undefined) return
    const now = clock.monotonic()
    queueMetrics.waited(name, now - since.waitingMs)
    this.#since.set(key, { runningMs: now })
  }

  #measureDone(key: string): void {
    const { queueMetrics, clock, name } = this.#deps
    const since = this.#since.get(key)
    if (!queueMetrics || since?.runningMs === undefined) return
    queueMetrics.worked(name, clock.monotonic() - since.runningMs)
    if (since.waitingMs === undefined) this.#since.delete(key)
    else this.#since.set(key, { waitingMs: since.waitingMs })
  }

  #begin(key: string): string {
    this.#dirty.delete(key)
    this.#running.add(key)
    this.#measureBegun(key)
    return key
  }

  #done(key: string): void {
    this.#running.delete(key)
    this.#measureDone(key)
    if (this.#dirty.has(key) && !this.#deps.signal.aborted) this.#offer(key)
  }

  #stop(): void {
    for (const { cancel } of this.#delayed.values()) cancel()
    this.#delayed.clear()
    this.#ready.length = 0
    this.#dirty.clear()
    this.#since.clear()
    this.#deps.queueMetrics?.forget(this)
    for (const worker of this.#idleWorkers.splice(0)) worker(undefined)
  }
}
