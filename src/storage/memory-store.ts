import { type Clock, systemClock } from '../host/clock.ts'
import { ExpiryTimer } from './expiries.ts'
import { StoreLatency } from './latency.ts'
import {
  type Change,
  type CommitResult,
  type Entry,
  type ListOptions,
  type ListResult,
  type Store,
  StoreClosedError,
  type StoreMetrics,
  type WatchBatch,
  type WatchOptions,
} from './store.ts'
import {
  changesAnything,
  checkChanges,
  conflictsOf,
  type DatedChange,
  datedChanges,
  expiryOf,
  type HistoryLimits,
  Versions,
} from './versions.ts'
import { WatchHub } from './watch-hub.ts'

/** Nothing is kept beyond the process: for tests and for clusters inside one. */
export class MemoryStore implements Store {
  readonly #versions = new Versions()
  readonly #hub: WatchHub
  readonly #limits: HistoryLimits
  readonly #clock: Clock
  readonly #timer: ExpiryTimer
  readonly #latency = new StoreLatency()
  #commits = 0
  #closed = false

  /** `clock`: tells when values with a time to live go; default the system's. */
  constructor(options: { historyRevisions?: number; watchBacklog?: number; clock?: Clock } = {}) {
    this.#clock = options.clock ?? systemClock
    this.#timer = new ExpiryTimer(this.#versions.expiries, this.#clock, () => this.#expire())
    this.#limits = { revisions: options.historyRevisions ?? 10_000, bytes: 64 << 20, ageMs: Number.POSITIVE_INFINITY }
    this.#hub = new WatchHub({
      backlogLimit: options.watchBacklog ?? 10_000,
      monotonic: () => this.#clock.monotonic(),
      delivery: this.#latency.watchDelivery,
    })
  }

  async revision(): Promise<number> {
    this.#mustBeOpen()
    return this.#versions.revision
  }

  async get(key: string, options: { revision?: number } = {}): Promise<Entry | undefined> {
    this.#mustBeOpen()
    return this.#versions.get(key, options.revision)
  }

  async list(prefix: string, options?: ListOptions): Promise<ListResult> {
    this.#mustBeOpen()
    const begun = this.#clock.monotonic()
    const found = this.#versions.list(prefix, options)
    this.#latency.list.observe(this.#clock.monotonic() - begun)
    return found
  }

  async commit(changes: readonly Change[]): Promise<CommitResult> {
    this.#mustBeOpen()
    checkChanges(changes)
    const begun = this.#clock.monotonic()
    const result = this.#judge(changes)
    this.#latency.commit.observe(this.#clock.monotonic() - begun)
    return result
  }

  #judge(changes: readonly Change[]): CommitResult {
    const versions = this.#versions
    const current = (key: string): Entry | undefined => versions.current(key)
    const conflicts = conflictsOf(changes, current)
    if (conflicts) return { ok: false, revision: versions.revision, conflicts }
    if (changesAnything(changes, current)) this.#apply(datedChanges(changes, this.#clock.now()))
    return { ok: true, revision: versions.revision }
  }

  #apply(changes: readonly DatedChange[]): void {
    const versions = this.#versions
    const batch = versions.apply(changes, 0)
    this.#commits++
    this.#hub.publish([batch])
    versions.compact(versions.surplus(this.#limits, 0))
    this.#timer.arm()
  }

  #expire(): void {
    const expired = expiryOf(this.#versions, this.#clock.now(), () => false)
    if (expired.length > 0) this.#apply(expired)
  }

  watch(prefix: string, options: WatchOptions): AsyncIterable<WatchBatch> {
    if (this.#closed) return failing(new StoreClosedError())
    return watchVersions(this.#versions, this.#hub, prefix, options)
  }

  async deadlines(): Promise<ReadonlyMap<string, number>> {
    this.#mustBeOpen()
    return this.#versions.expiries.all()
  }

  async compact(revision: number): Promise<void> {
    this.#mustBeOpen()
    this.#versions.compact(revision)
  }

  async healthy(): Promise<void> {
    this.#mustBeOpen()
  }

  metrics(): StoreMetrics {
    const { keys, bytes, revision, compactedRevision } = this.#versions
    const latency = this.#latency.reading()
    return { keys, bytesInMemory: bytes, bytesOnDisk: 0, revision, compactedRevision, commits: this.#commits, fsyncs: 0, latency }
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#timer.stop()
    this.#hub.close()
  }

  #mustBeOpen(): void {
    if (this.#closed) throw new StoreClosedError()
  }
}

/** A watch over versions in memory: what has been missed first, then what the hub brings. */
export function watchVersions(versions: Versions, hub: WatchHub, prefix: string, options: WatchOptions): AsyncIterable<WatchBatch> {
  const { after, signal, progress = true } = options
  try {
    const replay = after >= versions.revision ? [] : versions.changesAfter(prefix, after)
    const watch = hub.open(prefix, { replay, seen: after >= versions.revision ? 0 : versions.revision, progress, signal })
    return after > versions.revision ? later(watch, after) : watch
  } catch (error) {
    return failing(error as Error)
  }
}

/** A watch that begins after a revision still to come. */
async function* later(watch: AsyncIterable<WatchBatch>, after: number): AsyncIterable<WatchBatch> {
  for await (const batch of watch) if (batch.revision > after) yield batch
}

/** A watch that could not begin: its reader gets the error. */
export function failing(error: Error): AsyncIterable<WatchBatch> {
  return {
    [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(error) }),
  }
}
