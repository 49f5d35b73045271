import type { Clock } from '../../host/clock.ts'
import { GrpcError } from '../../host/grpc.ts'
import type { Log } from '../../host/log.ts'
import type { Random } from '../../host/random.ts'
import { StoreLatency } from '../latency.ts'
import { failing } from '../memory-store.ts'
import {
  type Change,
  type CommitResult,
  CompactedError,
  type Entry,
  FutureRevisionError,
  type ListOptions,
  type ListResult,
  type Store,
  StoreClosedError,
  type StoreMetrics,
  UnavailableError,
  UnknownOutcomeError,
  type WatchBatch,
  type WatchOptions,
} from '../store.ts'
import { checkChanges } from '../versions.ts'
import { changesAfter, type FeedDeps } from './change-feed.ts'
import { isRepeatable, resultOf, transactionOf } from './commit-transaction.ts'
import { compactRegularly } from './compactor.ts'
import { EtcdCalls } from './etcd-calls.ts'
import { EtcdEndpoints, type EtcdTls } from './etcd-endpoints.ts'
import { compact, range, status, txn } from './etcd-messages.ts'
import { ExpiryLeases } from './expiry-leases.ts'
import { KeyLayout } from './key-layout.ts'
import { listPages } from './list-pages.ts'
import { SharedFeed } from './shared-feed.ts'

export interface EtcdOptions {
  /** `https://host:2379` of each member. */
  readonly endpoints: readonly string[]
  readonly tls: EtcdTls
  /** What keys begin with. */
  readonly prefix: string
  /** How long a call is tried before it fails. */
  readonly patienceMs?: number
  /** Events that may wait for one watcher before it is dropped. */
  readonly watchBacklog?: number
  /** How long a revision that was seen may stay out of the feed before a key is written to bring it on. */
  readonly progressAfterMs?: number
}

export interface EtcdDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

/** Objects in etcd: revisions are etcd's own. Several stores, in several processes, may share one prefix. */
export async function openEtcdStore(options: EtcdOptions, deps: EtcdDeps): Promise<Store> {
  const store = new EtcdStore(options, deps)
  try {
    await store.begin()
    return store
  } catch (error) {
    await store.close()
    throw error
  }
}

class EtcdStore implements Store {
  readonly #endpoints: EtcdEndpoints
  readonly #calls: EtcdCalls
  readonly #layout: KeyLayout
  readonly #leases: ExpiryLeases
  readonly #latency = new StoreLatency()
  readonly #options: EtcdOptions
  readonly #deps: EtcdDeps & FeedDeps
  readonly #stop = new AbortController()
  /** One for all watches, and one more as soon as a watch wants previous values. */
  readonly #feeds: { plain?: SharedFeed; withPrevious?: SharedFeed } = {}
  readonly #revisions = new Shared(() => this.#askRevision())
  #compacting: Promise<void> = Promise.resolve()
  #keys = 0
  #commits = 0
  #bytesOnDisk = 0
  #compacted = 0

  constructor(options: EtcdOptions, deps: EtcdDeps) {
    this.#layout = new KeyLayout(options.prefix)
    this.#endpoints = new EtcdEndpoints({ urls: options.endpoints, tls: options.tls, ...deps })
    this.#calls = new EtcdCalls(this.#endpoints, { clock: deps.clock, patienceMs: options.patienceMs ?? 10_000 })
    this.#deps = { ...deps, endpoints: this.#endpoints, layout: this.#layout }
    this.#leases = new ExpiryLeases({ calls: this.#calls, clock: deps.clock, random: deps.random })
    this.#options = options
  }

  /** Finds the revision to begin at: one of our own, so that every feed knows when it has come so far. */
  async begin(): Promise<void> {
    await this.#calls.read(status, {}) // before anything is written: what is wrong with the way there is told by this
    this.#feeds.plain = this.#feed(false, await this.#countAnew())
    const { clock, log } = this.#deps
    this.#compacting = compactRegularly({
      ...{ calls: this.#calls, layout: this.#layout, clock, log, signal: this.#stop.signal },
      compact: (until) => this.compact(until),
    })
    await this.healthy()
  }

  revision(): Promise<number> {
    this.#mustBeOpen()
    return this.#revisions.get()
  }

  async get(key: string, { revision }: { revision?: number } = {}): Promise<Entry | undefined> {
    this.#mustBeOpen()
    const answer = await this.#atRevision(revision, (at) => this.#calls.read(range, { key: this.#layout.keyOf(key), revision: at }))
    const kv = answer.kvs[0]
    return kv && this.#layout.entryOf(kv)
  }

  async list(prefix: string, options: ListOptions = {}): Promise<ListResult> {
    this.#mustBeOpen()
    const begun = this.#deps.clock.monotonic()
    const result = await this.#atRevision(options.revision, (at) => listPages(prefix, { ...options, at }, this.#calls, this.#layout))
    this.#latency.list.observe(this.#deps.clock.monotonic() - begun)
    this.#expect(result.revision)
    return result
  }

  async commit(changes: readonly Change[]): Promise<CommitResult> {
    this.#mustBeOpen()
    checkChanges(changes)
    if (changes.length === 0) return { ok: true, revision: await this.revision() }
    const begun = this.#deps.clock.monotonic()
    try {
      const result = await this.#judged(changes)
      if (result.ok) this.#commits++
      this.#expect(result.revision)
      return result
    } finally {
      this.#latency.commit.observe(this.#deps.clock.monotonic() - begun)
    }
  }

  /** etcd's own judgement. */
  async #judged(changes: readonly Change[]): Promise<CommitResult> {
    const leases = new Map<number, number>()
    for (const { ttlSeconds } of changes) if (ttlSeconds !== undefined) leases.set(ttlSeconds, await this.#leases.lease(ttlSeconds))
    const question = transactionOf(changes, this.#layout, ({ ttlSeconds = 0 }) => leases.get(ttlSeconds) ?? 0)
    const { answer, afterUnknown } = await this.#calls.write(txn, question, isRepeatable(changes))
    // An earlier try may be what it conflicts with.
    if (afterUnknown && !answer.succeeded) throw new UnknownOutcomeError()
    return resultOf(changes, answer, this.#layout)
  }

  watch(prefix: string, options: WatchOptions): AsyncIterable<WatchBatch> {
    if (this.#stop.signal.aborted) return failing(new StoreClosedError())
    if (options.previous) this.#feeds.withPrevious ??= this.#feed(true, this.#reached)
    const feed = options.previous ? this.#feeds.withPrevious : this.#feeds.plain
    return feed ? feed.watch(prefix, options) : failing(new StoreClosedError())
  }

  async deadlines(): Promise<ReadonlyMap<string, number>> {
    this.#mustBeOpen()
    const found = new Map<string, number>()
    const now = this.#deps.clock.now()
    const prefix = this.#layout.keyOf('/')
    for (const [key, seconds] of await this.#leases.secondsLeft()) {
      const name = prefix.equals(key.subarray(0, prefix.length)) ? this.#layout.nameOf(key) : undefined
      if (name !== undefined) found.set(name, now + seconds * 1000)
    }
    return found
  }

  async compact(revision: number): Promise<void> {
    this.#mustBeOpen()
    const now = await this.revision()
    if (revision > now) throw new FutureRevisionError(revision, now)
    // Our own watchers have begun: they must have everything first.
    await this.#until(Math.min(revision, now))
    try {
      await this.#calls.write(compact, { revision }, true)
    } catch (error) {
      if (!isCompacted(error)) throw error // has been done, by us or by another
    }
    this.#compacted = Math.max(this.#compacted, revision)
  }

  async healthy(): Promise<void> {
    this.#mustBeOpen()
    const [{ errors, dbBytes }, revision] = await Promise.all([this.#calls.read(status, {}), this.revision()])
    this.#bytesOnDisk = dbBytes
    if (errors.length > 0) throw new UnavailableError(`etcd has raised an alarm: ${errors.join('; ')}`)
    await this.#until(revision)
  }

  metrics(): StoreMetrics {
    return {
      keys: this.#keys,
      bytesInMemory: 0,
      bytesOnDisk: this.#bytesOnDisk,
      revision: this.#reached,
      compactedRevision: this.#compacted,
      commits: this.#commits,
      fsyncs: 0,
      latency: this.#latency.reading(),
    }
  }

  async close(): Promise<void> {
    this.#stop.abort()
    const closing = this.#open.map((feed) => feed.close())
    this.#endpoints.close()
    await Promise.all([...closing, this.#compacting])
  }

  #feed(previous: boolean, from: number): SharedFeed {
    const { clock, log } = this.#deps
    const { watchBacklog = 10_000, progressAfterMs = 50 } = this.#options
    const options = {
      previous,
      feed: this.#deps,
      hub: { backlogLimit: watchBacklog, monotonic: () => clock.monotonic(), delivery: this.#latency.watchDelivery },
      progress: {
        clock,
        touch: async () => {
          await this.#touch()
        },
        failed: (error: unknown) => log.debug('cannot ask etcd for progress', { error }),
        patienceMs: progressAfterMs,
      },
    }
    if (previous) return new SharedFeed({ ...options, touch: async () => (await this.#touch()).revision }, from)
    return new SharedFeed({ ...options, touch: () => this.#countAnew(), told: (batch) => this.#count(batch) }, from)
  }

  get #open(): SharedFeed[] {
    return Object.values(this.#feeds)
  }

  /** Up to where every change has been told. */
  get #reached(): number {
    return this.#feeds.plain?.progress.reached ?? 0
  }

  #expect(revision: number): void {
    for (const { progress } of this.#open) progress.expect(revision)
  }

  async #until(revision: number): Promise<void> {
    await Promise.all(this.#open.map(({ progress }) => progress.until(revision)))
  }

  #count({ events }: WatchBatch): void {
    for (const { entry } of events) {
      if (!entry) this.#keys--
      else if (entry.createRevision === entry.modRevision) this.#keys++
    }
  }

  /** A revision of our own making; from it on keys are counted. */
  async #countAnew(): Promise<number> {
    const { revision, keys } = await this.#touch()
    this.#keys = keys
    return revision
  }

  /** A revision of our own making, and how many keys there are at it. */
  async #touch(): Promise<{ revision: number; keys: number }> {
    const count = { ...this.#layout.rangeOf(''), countOnly: true }
    const { answer } = await this.#calls.write(txn, { success: [{ put: this.#mark }, { range: count }] }, true)
    return { revision: answer.header?.revision ?? 0, keys: answer.responses[1]?.range?.count ?? 0 }
  }

  get #mark(): { key: Uint8Array; value: Uint8Array } {
    return { key: this.#layout.progress, value: new Uint8Array(0) }
  }

  async #askRevision(): Promise<number> {
    const answer = await this.#calls.read(range, { key: this.#layout.progress, countOnly: true })
    const revision = answer.header?.revision ?? 0
    this.#expect(revision)
    return revision
  }

  /** etcd takes revision 0 for the newest, and is empty at 1. */
  async #atRevision<T>(revision: number | undefined, read: (at: number) => Promise<T>): Promise<T> {
    const at = revision === undefined ? 0 : Math.max(1, revision)
    try {
      return await read(at)
    } catch (error) {
      if (isCompacted(error)) throw new CompactedError(at, await this.#oldest(at))
      if (error instanceof GrpcError && error.message.includes('future revision')) throw new FutureRevisionError(at, await this.revision())
      throw error
    }
  }

  /** What has been compacted is told to watches alone. */
  async #oldest(gone: number): Promise<number> {
    try {
      for await (const batch of changesAfter(gone, this.#deps, { previous: false, signal: this.#stop.signal })) return batch.revision
    } catch (error) {
      if (error instanceof CompactedError) return error.oldest
      throw error
    }
    throw new StoreClosedError()
  }

  #mustBeOpen(): void {
    if (this.#stop.signal.aborted) throw new StoreClosedError()
  }
}

const isCompacted = (error: unknown): boolean => error instanceof GrpcError && error.message.includes('has been compacted')

/** Calls that come while one is under way share the next: an answer that was asked for before a call began may be too old for it. */
class Shared<T> {
  readonly #ask: () => Promise<T>
  #current: Promise<T> | undefined
  #next: Promise<T> | undefined

  constructor(ask: () => Promise<T>) {
    this.#ask = ask
  }

  get(): Promise<T> {
    if (!this.#current) return this.#begin()
    this.#next ??= this.#current
      .catch(() => {}) // whoever asked gets it
      .then(() => {
        this.#next = undefined
        return this.#begin()
      })
    return this.#next
  }

  #begin(): Promise<T> {
    const current = this.#ask().finally(() => {
      if (this.#current === current) this.#current = undefined
    })
    this.#current = current
    return current
  }
}
