import { CompactedError, StoreClosedError, UnavailableError, UnknownOutcomeError, type WatchBatch, type WatchOptions } from '../store.ts'
import { under } from '../versions.ts'
import { WatchHub, type WatchHubOptions } from '../watch-hub.ts'
import { changesAfter, type FeedDeps } from './change-feed.ts'
import { Progress, type ProgressDeps } from './progress.ts'

export interface SharedFeedOptions {
  readonly feed: FeedDeps
  readonly hub: WatchHubOptions
  readonly progress: ProgressDeps
  /** Whether etcd is asked what each key held before: a read more for each change. */
  readonly previous: boolean
  /** Writes a key of ours and answers its revision. */
  readonly touch: () => Promise<number>
  /** Called with every batch before watchers get it. */
  readonly told?: (batch: WatchBatch) => void
}

/** What many watches share: one stream of all changes, and how far it has come. */
export class SharedFeed {
  readonly progress: Progress
  readonly #options: SharedFeedOptions
  readonly #hub: WatchHub
  readonly #stop = new AbortController()
  readonly #running: Promise<void>

  /** `from`: a revision of our own making, so that every reader knows when it has come so far. */
  constructor(options: SharedFeedOptions, from: number) {
    this.#options = options
    this.#hub = new WatchHub(options.hub)
    this.progress = new Progress(options.progress)
    this.progress.advance(from)
    this.#running = this.#run(from)
  }

  watch(prefix: string, { after, signal, progress = true }: WatchOptions): AsyncIterable<WatchBatch> {
    const { reached } = this.progress
    const isPast = after < reached
    const live = this.#hub.open(prefix, { replay: [], seen: isPast ? reached : 0, progress, signal })
    if (after === reached) return live
    // What has been is asked for at once: it may be forgotten by the first read.
    const missed = isPast ? this.#missed(prefix, after, reached, signal) : Promise.resolve([])
    missed.catch(() => {}) // the reader gets it
    return following(missed, after, live)
  }

  async close(): Promise<void> {
    this.#stop.abort()
    this.progress.end(new StoreClosedError())
    this.#hub.close()
    await this.#running
  }

  /** After a gap that can't be closed all who watch are told, and it goes on from now. */
  async #run(from: number): Promise<void> {
    const { feed, previous, told } = this.#options
    const { signal } = this.#stop
    for (let after = from; !signal.aborted; ) {
      try {
        for await (const batch of changesAfter(after, feed, { previous, signal })) {
          told?.(batch)
          this.#hub.publish([batch])
          this.progress.advance(batch.revision)
        }
      } catch (error) {
        if (!(error instanceof CompactedError)) throw error
        feed.log.error('etcd has forgotten changes that were not seen here; watches begin anew', { error })
        after = (await this.#revisionToGoOnFrom()) ?? after
        this.progress.advance(after)
        this.#hub.fail(error)
      }
    }
  }

  /** Undefined: the store has been closed. */
  async #revisionToGoOnFrom(): Promise<number | undefined> {
    for (;;) {
      try {
        return await this.#options.touch()
      } catch (error) {
        if (error instanceof StoreClosedError) return undefined
        if (!(error instanceof UnavailableError || error instanceof UnknownOutcomeError)) throw error
      }
    }
  }

  /** Batches after `after` up to `until`, at which something of ours did change. */
  async #missed(prefix: string, after: number, until: number, signal: AbortSignal): Promise<WatchBatch[]> {
    const missed: WatchBatch[] = []
    const { feed, previous } = this.#options
    for await (const batch of changesAfter(after, feed, { previous, signal: AbortSignal.any([signal, this.#stop.signal]) })) {
      const part = under(prefix, batch)
      if (part && batch.revision <= until) missed.push(part)
      if (batch.revision >= until) break
    }
    return missed
  }
}

/** What was missed, then what comes; a notice that tells nothing new is left out. */
async function* following(
  missed: Promise<readonly WatchBatch[]>,
  after: number,
  live: AsyncIterable<WatchBatch>,
): AsyncGenerator<WatchBatch> {
  let told = after
  const reader = live[Symbol.asyncIterator]()
  try {
    for (const batch of await missed) {
      told = batch.revision
      yield batch
    }
    for (;;) {
      const { done, value } = await reader.next()
      if (done) return
      if (value.revision > told) yield value
    }
  } finally {
    await reader.return?.()
  }
}
