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
import { assertDistinctKeys, changesAnything, conflictsOf, type HistoryLimits, Versions } from './versions.ts'
import { WatchHub } from './watch-hub.ts'

/** Nothing is kept beyond the process: for tests and for clusters inside one. */
export class MemoryStore implements Store {
  readonly #versions = new Versions()
  readonly #hub: WatchHub
  readonly #limits: HistoryLimits
  #commits = 0
  #closed = false

  constructor(options: { historyRevisions?: number; watchBacklog?: number } = {}) {
    this.#limits = { revisions: options.historyRevisions ?? 10_000, bytes: 64 << 20, ageMs: Number.POSITIVE_INFINITY }
    this.#hub = new WatchHub(options.watchBacklog ?? 10_000)
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
    return this.#versions.list(prefix, options)
  }

  async commit(changes: readonly Change[]): Promise<CommitResult> {
    this.#mustBeOpen()
    assertDistinctKeys(changes)
    const versions = this.#versions
    const current = (key: string): Entry | undefined => versions.current(key)
    const conflicts = conflictsOf(changes, current)
    if (conflicts) return { ok: false, revision: versions.revision, conflicts }
    if (!changesAnything(changes, current)) return { ok: true, revision: versions.revision }
    const batch = versions.apply(changes, 0)
    this.#commits++
    this.#hub.publish([batch])
    versions.compact(versions.surplus(this.#limits, 0))
    return { ok: true, revision: batch.revision }
  }

  watch(prefix: string, options: WatchOptions): AsyncIterable<WatchBatch> {
    if (this.#closed) return failing(new StoreClosedError())
    return watchVersions(this.#versions, this.#hub, prefix, options)
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
    return { keys, bytesInMemory: bytes, bytesOnDisk: 0, revision, compactedRevision, commits: this.#commits, fsyncs: 0 }
  }

  async close(): Promise<void> {
    this.#closed = true
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
