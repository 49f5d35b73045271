import type { HistogramReading } from './latency.ts'

/**
 * The store's contract, shaped after etcd: one increasing revision for the whole store, compare-and-swap,
 * list at a revision, watch from a revision, compaction. Linearizable: a read or watch started after a write was
 * acknowledged sees it; acknowledged means durable. Every back end passes store-contract.ts.
 */
export interface Store {
  /**
   * The newest revision. An empty store is at 0, and each commit that changes anything adds 1; where the revisions are those
   * of an etcd that others write to as well, theirs lie between, and an empty store may be at any.
   */
  revision(): Promise<number>
  /** The value of a key now, or at an older revision. Throws {@link CompactedError} for a revision that is gone, {@link FutureRevisionError} for one still to come. */
  get(key: string, options?: { revision?: number }): Promise<Entry | undefined>
  /** Keys that start with `prefix`, in order of their bytes. Throws as {@link get} does. */
  list(prefix: string, options?: ListOptions): Promise<ListResult>
  /**
   * All of `changes` at one new revision, or none if any `expect` does not hold. Keys are distinct and not empty.
   * Values belong to the store from here on: neither side changes their bytes. A commit that changes nothing (empty, or
   * it deletes only what isn't there) succeeds at the revision the store is at.
   * A value with `ttlSeconds` goes by itself: never sooner, a few seconds later at most while the store runs, and across restarts
   * by the wall clock. It goes as any deletion does, in a commit of the store's own; every later put of the key sets its life
   * anew: without `ttlSeconds` it stays.
   * Throws {@link UnavailableError} when it did not take place, {@link UnknownOutcomeError} when that cannot be told.
   */
  commit(changes: readonly Change[]): Promise<CommitResult>
  /**
   * Every change under `prefix` with a revision greater than `after`, in order, each once.
   * Changes of one commit arrive in one batch. A reader that has everything gets a progress notice (no events) when the store
   * moves on elsewhere, and one at the start if the store is past `after`: so it always learns that it has caught up.
   * The watch begins with this call, not with the first read. Ends when the signal aborts; throws {@link CompactedError} when that history is gone,
   * {@link SlowWatcherError} when the reader has fallen too far behind, {@link StoreClosedError} when the store is closed.
   */
  watch(prefix: string, options: WatchOptions): AsyncIterable<WatchBatch>
  /** When values with a time to live go, by key, in milliseconds since the epoch: what a backup needs beside the values. */
  deadlines(): Promise<ReadonlyMap<string, number>>
  /** Forgets history up to `revision`: reads before it and watches `after` less than it are refused. Newest values stay. */
  compact(revision: number): Promise<void>
  /** Resolves if a write would be taken now; rejects with the reason if not. */
  healthy(): Promise<void>
  metrics(): StoreMetrics
  /** After the last acknowledged write is safe. Watches end. Idempotent. */
  close(): Promise<void>
}

export interface Entry {
  readonly key: string
  readonly value: Uint8Array
  /** Revision of the commit that created this key. */
  readonly createRevision: number
  /** Revision of the commit that last changed it: what compare-and-swap compares. */
  readonly modRevision: number
}

export interface Change {
  readonly key: string
  /** The new value; undefined deletes the key (where there is none, nothing happens: `expect` decides whether that is a conflict). */
  readonly value: Uint8Array | undefined
  /** modRevision that the key must have now; 0: it must not exist; undefined: whatever it is. */
  readonly expect: number | undefined
  /** Seconds, more than 0, after which the store itself deletes the value; absent: it stays. Not for deletions. */
  readonly ttlSeconds?: number
}

export type CommitResult =
  | { readonly ok: true; readonly revision: number }
  /** `conflicts` holds, for each change whose expectation failed, what the store has instead (undefined: nothing). */
  | { readonly ok: false; readonly revision: number; readonly conflicts: ReadonlyMap<string, Entry | undefined> }

export interface WatchOptions {
  readonly after: number
  readonly signal: AbortSignal
  /** False: no progress notices. */
  readonly progress?: boolean
  /** True: events tell what the key held before. Else they may: it costs etcd a read for each change. */
  readonly previous?: boolean
}

export interface ListOptions {
  /** Read at this older revision; default the newest. */
  readonly revision?: number
  /** At most this many entries. */
  readonly limit?: number
  /** Begin after this key (exclusive): continuation, together with the first page's `revision`. */
  readonly after?: string
}

export interface ListResult {
  readonly entries: readonly Entry[]
  /** The revision that was read. */
  readonly revision: number
  readonly more: boolean
  /** How many entries follow the ones returned. */
  readonly remaining: number
}

export interface StoreEvent {
  readonly type: 'put' | 'delete'
  readonly key: string
  /** put: the new entry. delete: undefined. */
  readonly entry: Entry | undefined
  /** What the key held before, if anything; only a watch that asked for it can rely on it. */
  readonly previous: Entry | undefined
  readonly revision: number
}

export interface WatchBatch {
  /** Empty for a progress notice: nothing under the prefix up to `revision` is still to come. */
  readonly events: readonly StoreEvent[]
  readonly revision: number
}

export interface StoreMetrics {
  readonly keys: number
  readonly bytesInMemory: number
  readonly bytesOnDisk: number
  readonly revision: number
  readonly compactedRevision: number
  readonly commits: number
  readonly fsyncs: number
  readonly latency: {
    /** From the request to the answer, durability included; refused and failed ones too. */
    readonly commit: HistogramReading
    readonly list: HistogramReading
    /** From the moment a change may be seen to its reader's taking it: one observation each time a reader catches up. */
    readonly watchDelivery: HistogramReading
  }
}

export class CompactedError extends Error {
  /** The oldest revision that can still be read. */
  readonly oldest: number
  constructor(requested: number, oldest: number) {
    super(`required revision ${requested} has been compacted; the oldest is ${oldest}`)
    this.name = 'CompactedError'
    this.oldest = oldest
  }
}

/** A revision that the store has not reached. */
export class FutureRevisionError extends Error {
  readonly newest: number
  constructor(requested: number, newest: number) {
    super(`required revision ${requested} is still to come; the newest is ${newest}`)
    this.name = 'FutureRevisionError'
    this.newest = newest
  }
}

export class SlowWatcherError extends Error {
  constructor(behind: number) {
    super(`watcher dropped: it fell ${behind} events behind`)
    this.name = 'SlowWatcherError'
  }
}

/** The store cannot write now (disk full, I/O error): the commit did not take place. `cause` has the system's reason. */
export class UnavailableError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'UnavailableError'
  }
}

/** Nobody can tell whether the commit took place, or may take place yet: the store did not answer in time. */
export class UnknownOutcomeError extends Error {
  constructor(cause?: unknown) {
    super('the store did not answer: the write may have taken place', { cause })
    this.name = 'UnknownOutcomeError'
  }
}

export class StoreClosedError extends Error {
  constructor() {
    super('the store is closed')
    this.name = 'StoreClosedError'
  }
}
