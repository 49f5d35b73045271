import type { LatencyHistogram } from './latency.ts'
import { SlowWatcherError, StoreClosedError, type WatchBatch } from './store.ts'
import { under } from './versions.ts'

export interface WatchHubOptions {
  /** Events that may wait for one reader before it is dropped. */
  readonly backlogLimit: number
  readonly monotonic: () => number
  readonly delivery: LatencyHistogram
}

/**
 * Hands each commit to the watchers under whose prefix it falls. What a prefix sees of a commit is worked out once,
 * however many watch it; a reader that does not keep up is dropped and holds up nobody.
 */
export class WatchHub {
  readonly #groups = new Map<string, Set<Watcher>>()
  readonly #options: WatchHubOptions

  constructor(options: WatchHubOptions) {
    this.#options = options
  }

  /** `replay`: what the watcher has missed so far; `seen`: the revision up to which that is complete. */
  open(prefix: string, options: { replay: WatchBatch[]; seen: number; progress: boolean; signal: AbortSignal }): AsyncIterable<WatchBatch> {
    const group = this.#groups.get(prefix) ?? new Set<Watcher>()
    this.#groups.set(prefix, group)
    const leave = (): void => {
      options.signal.removeEventListener('abort', end)
      group.delete(watcher)
      if (group.size === 0 && this.#groups.get(prefix) === group) this.#groups.delete(prefix)
    }
    const end = (): void => watcher.end(undefined)
    const watcher = new Watcher(options.replay, this.#options, leave)
    group.add(watcher)
    if (options.progress) watcher.wantsProgress(options.seen)
    if (options.signal.aborted) end()
    else options.signal.addEventListener('abort', end, { once: true })
    return watcher
  }

  /** Commits in order. Those watchers that none of them concerned learn how far the store has come. */
  publish(batches: readonly WatchBatch[]): void {
    const newest = batches.at(-1)?.revision
    if (newest === undefined) return
    for (const [prefix, group] of this.#groups) {
      for (const batch of batches) {
        const part = under(prefix, batch)
        if (part) for (const watcher of group) watcher.push(part)
      }
      for (const watcher of group) watcher.progress(newest)
    }
  }

  close(): void {
    this.fail(new StoreClosedError())
  }

  /** Readers get what waits for them, then the error. */
  fail(error: Error): void {
    for (const group of [...this.#groups.values()]) for (const watcher of [...group]) watcher.end(error)
  }
}

type Waiting = { resolve: (result: IteratorResult<WatchBatch>) => void; reject: (error: Error) => void }

class Watcher implements AsyncIterableIterator<WatchBatch> {
  #queue: WatchBatch[]
  #head = 0
  /** Events pushed and not yet read; what was replayed at the start does not count. */
  #behind = 0
  readonly #options: WatchHubOptions
  readonly #leave: () => void
  /** When the first of what waits came; undefined: nothing that was pushed waits. */
  #waitsSinceMs: number | undefined
  #replayed: number
  #waiting: Waiting[] = []
  #told = 0
  /** Revision up to which everything has been pushed; undefined: the reader does not want notices. */
  #complete: number | undefined
  #ended: { error: Error | undefined } | undefined

  constructor(replay: WatchBatch[], options: WatchHubOptions, leave: () => void) {
    this.#queue = replay
    this.#replayed = replay.length
    this.#options = options
    this.#leave = leave
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<WatchBatch>> {
    const batch = this.#take()
    if (batch) return Promise.resolve({ done: false, value: batch })
    if (this.#ended) {
      const { error } = this.#ended
      this.#ended = { error: undefined }
      return error ? Promise.reject(error) : Promise.resolve({ done: true, value: undefined })
    }
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }))
  }

  /** The reader has left its loop. */
  return(): Promise<IteratorResult<WatchBatch>> {
    this.#queue = []
    this.#complete = undefined
    this.end(undefined)
    return Promise.resolve({ done: true, value: undefined })
  }

  push(batch: WatchBatch): void {
    if (this.#ended) return
    const waiting = this.#waiting.shift()
    if (waiting) {
      this.#options.delivery.observe(0)
      this.#told = batch.revision
      waiting.resolve({ done: false, value: batch })
      return
    }
    this.#queue.push(batch)
    this.#behind += batch.events.length
    this.#waitsSinceMs ??= this.#options.monotonic()
    if (this.#behind <= this.#options.backlogLimit) return
    // Memory comes first: what waits is dropped with the watcher.
    const behind = this.#behind
    this.#queue = []
    this.end(new SlowWatcherError(behind))
  }

  wantsProgress(complete: number): void {
    this.#complete = complete
  }

  /** Notices coalesce: a reader that is behind gets only the newest, after its events. */
  progress(revision: number): void {
    if (this.#complete === undefined || this.#ended) return
    this.#complete = revision
    if (this.#waiting.length === 0) return
    const notice = this.#take()
    if (notice) this.#waiting.shift()!.resolve({ done: false, value: notice })
  }

  end(error: Error | undefined): void {
    if (this.#ended) return
    this.#leave()
    const waiting = this.#waiting.splice(0)
    this.#ended = { error: error && waiting.length > 0 ? undefined : error }
    waiting.forEach((reader, i) => {
      if (error && i === 0) reader.reject(error)
      else reader.resolve({ done: true, value: undefined })
    })
    if (!error) {
      this.#queue = []
      this.#complete = undefined
    }
  }

  #take(): WatchBatch | undefined {
    const batch = this.#queue[this.#head]
    if (!batch) {
      if (this.#ended || this.#complete === undefined || this.#complete <= this.#told) return undefined
      this.#told = this.#complete
      return { events: [], revision: this.#told }
    }
    this.#head++
    if (this.#replayed > 0) this.#replayed--
    else this.#delivered(batch)
    if (this.#head === this.#queue.length) {
      this.#queue = []
      this.#head = 0
    } else if (this.#head > 1024) {
      this.#queue = this.#queue.slice(this.#head)
      this.#head = 0
    }
    this.#told = batch.revision
    return batch
  }

  #delivered(batch: WatchBatch): void {
    this.#behind -= batch.events.length
    if (this.#waitsSinceMs === undefined) return
    this.#options.delivery.observe(this.#options.monotonic() - this.#waitsSinceMs)
    this.#waitsSinceMs = undefined
  }
}
