import type { Kind } from '../api/kind.ts'
import type { Clock } from '../host/clock.ts'
import type { Log } from '../host/log.ts'
import { StatusError, timeout } from '../machinery/status.ts'
import { CompactedError, type Entry, type Store, type WatchBatch } from '../storage/store.ts'
import { KindCache, kindPrefix } from './kind-cache.ts'

const bookmarkEveryMs = 60_000
/** How long a read waits for a revision that the cache has not seen. */
const freshWithinMs = 3_000
const retryAfterMs = 500

interface Deps {
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
}

interface Waiter {
  readonly revision: number
  readonly resolve: () => void
}

/**
 * Every object of every kind in memory, fed by one watch of the store: one change stream for all readers.
 * It is behind the store by at most the changes under way; {@link fresh} waits for those.
 */
export class WatchCache {
  readonly #deps: Deps
  readonly #kinds = new Map<string, KindCache>()
  readonly #stop = new AbortController()
  readonly #running: Promise<void>
  #waiters: Waiter[] = []
  #revision: number
  #cancelBookmarks: () => void = () => {}

  /** Begins as far back as the store can tell, so that watches of before a restart go on where they were. */
  static async start(kinds: readonly Kind[], deps: Deps): Promise<WatchCache> {
    const newest = await deps.store.revision()
    const cache = new WatchCache(kinds, await firstState(deps.store, newest), deps)
    await cache.#until(newest)
    return cache
  }

  private constructor(kinds: readonly Kind[], first: { entries: readonly Entry[]; revision: number }, deps: Deps) {
    this.#deps = deps
    this.#revision = first.revision
    for (const kind of kinds) this.#kinds.set(kindPrefix(kind), new KindCache(kind, first.revision))
    for (const entry of first.entries) this.#cacheOf(entry.key)?.load(entry.key, entry.value, entry.modRevision)
    this.#scheduleBookmarks()
    this.#running = this.#run()
  }

  get revision(): number {
    return this.#revision
  }

  kind(kind: { group: string; plural: string }): KindCache {
    const cache = this.#kinds.get(kindPrefix(kind))
    if (!cache) throw new Error(`no cache of ${kind.plural}`)
    return cache
  }

  kinds(): Iterable<KindCache> {
    return this.#kinds.values()
  }

  /** Resolves once everything written before the call can be read from the cache. */
  async fresh(): Promise<void> {
    await this.reached(await this.#deps.store.revision())
  }

  /** Resolves once the cache holds `revision`; throws Timeout where that is too far ahead. */
  async reached(revision: number): Promise<void> {
    if (this.#revision >= revision) return
    const tooLate = new AbortController()
    const cancel = this.#deps.clock.after(freshWithinMs, () => tooLate.abort(tooLargeRevision(revision, this.#revision)))
    await this.#until(revision, tooLate.signal).finally(cancel)
  }

  async #until(revision: number, signal?: AbortSignal): Promise<void> {
    if (this.#revision >= revision) return
    await new Promise<void>((resolve, reject) => {
      const waiter = { revision, resolve }
      this.#waiters.push(waiter)
      signal?.addEventListener('abort', () => {
        this.#waiters = this.#waiters.filter((other) => other !== waiter)
        reject(signal.reason)
      })
    })
  }

  async close(): Promise<void> {
    this.#cancelBookmarks()
    this.#stop.abort()
    for (const { history } of this.#kinds.values()) for (const follower of [...history.followers]) follower.end()
    await this.#running
  }

  async #run(): Promise<void> {
    const { store, clock, log } = this.#deps
    const { signal } = this.#stop
    while (!signal.aborted) {
      try {
        for await (const batch of store.watch('', { after: this.#revision, signal })) this.#apply(batch)
        if (!signal.aborted) throw new Error('the watch of the store ended')
      } catch (error) {
        if (signal.aborted) return
        const isGone = error instanceof CompactedError
        log.warn(isGone ? 'the store has forgotten changes; reading everything anew' : 'watch of the store broke off; going on', { error })
        await clock.sleep(retryAfterMs, signal).catch(() => {}) // aborted: the loop ends
        if (isGone && !signal.aborted) await this.#reload().catch((failure) => log.error('cannot read the store', { error: failure }))
      }
    }
  }

  #apply(batch: WatchBatch): void {
    const touched = new Set<KindCache>()
    for (const event of batch.events) {
      const cache = this.#cacheOf(event.key)
      if (!cache) continue
      cache.apply(event)
      touched.add(cache)
    }
    this.#advance(batch.revision, touched)
  }

  #advance(revision: number, touched: Iterable<KindCache>): void {
    this.#revision = Math.max(this.#revision, revision)
    for (const { history } of touched) history.wakeAll()
    if (this.#waiters.length === 0) return
    const due = this.#waiters.filter((waiter) => waiter.revision <= this.#revision)
    this.#waiters = this.#waiters.filter((waiter) => waiter.revision > this.#revision)
    for (const waiter of due) waiter.resolve()
  }

  /** After a gap: what the store has now, told as changes, so that all who watch come to the same state. */
  async #reload(): Promise<void> {
    const { entries, revision } = await this.#deps.store.list('/registry/')
    const present = new Set<string>()
    const changed = entries.filter((entry) => {
      present.add(entry.key)
      return entry.modRevision > this.#revision
    })
    changed.sort((a, b) => a.modRevision - b.modRevision)
    for (const entry of changed) {
      const { key, modRevision, createRevision } = entry
      const cache = this.#cacheOf(key)
      // Another object of the same name: the one before it went meanwhile.
      if (createRevision > this.#revision) cache?.apply({ key, entry: undefined, revision: modRevision })
      cache?.apply({ key, entry, revision: modRevision })
    }
    for (const cache of this.#kinds.values()) {
      for (const item of [...cache.readable()]) if (!present.has(item.key)) cache.apply({ key: item.key, entry: undefined, revision })
    }
    this.#advance(revision, this.#kinds.values())
  }

  #cacheOf(key: string): KindCache | undefined {
    const second = key.indexOf('/', '/registry/'.length)
    const third = second < 0 ? -1 : key.indexOf('/', second + 1)
    return third < 0 ? undefined : this.#kinds.get(key.slice(0, third + 1))
  }

  #scheduleBookmarks(): void {
    this.#cancelBookmarks = this.#deps.clock.after(bookmarkEveryMs, () => {
      for (const { history } of this.#kinds.values()) for (const follower of history.followers) follower.bookmarkDue()
      this.#scheduleBookmarks()
    })
  }
}

/** As much history as the kinds would keep of it. */
const historyRevisions = 10_000

async function firstState(store: Store, newest: number): Promise<{ entries: readonly Entry[]; revision: number }> {
  const oldest = Math.max(store.metrics().compactedRevision, newest - historyRevisions)
  try {
    return await store.list('/registry/', { revision: oldest })
  } catch (error) {
    if (error instanceof CompactedError) return await store.list('/registry/')
    throw error
  }
}

function tooLargeRevision(asked: number, current: number): StatusError {
  const { status } = timeout(`Too large resource version: ${asked}, current: ${current}`)
  const causes = [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }]
  return new StatusError({ ...status, details: { causes, retryAfterSeconds: 1 } })
}
