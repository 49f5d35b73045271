import type { Store, WatchBatch, WatchOptions } from '../../storage/store.ts'

/** A store whose watches bring nothing while it lags, and break off when told to: what a cache has to live with. */
export class LaggingStore implements Store {
  readonly #store: Store
  #gate: Promise<void> = Promise.resolve()
  #open: () => void = () => {}
  #broken = new AbortController()

  constructor(store: Store) {
    this.#store = store
  }

  lag(): void {
    this.#gate = new Promise((resolve) => {
      this.#open = resolve
    })
  }

  catchUp(): void {
    this.#open()
  }

  /** Ends the watches that are open with an error. */
  breakWatches(error: Error): void {
    this.#broken.abort(error)
    this.#broken = new AbortController()
  }

  async *watch(prefix: string, options: WatchOptions): AsyncIterable<WatchBatch> {
    const { signal } = this.#broken
    const ended = new Promise<void>((resolve) => options.signal.addEventListener('abort', () => resolve()))
    const reader = this.#store.watch(prefix, options)[Symbol.asyncIterator]()
    const broken = new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    broken.catch(() => undefined)
    try {
      for (;;) {
        const next = await Promise.race([reader.next(), broken])
        await Promise.race([this.#gate, broken, ended])
        if (next.done) return
        yield next.value
      }
    } finally {
      await reader.return?.()
    }
  }

  revision: Store['revision'] = () => this.#store.revision()
  get: Store['get'] = (key, options) => this.#store.get(key, options)
  list: Store['list'] = (prefix, options) => this.#store.list(prefix, options)
  commit: Store['commit'] = (changes) => this.#store.commit(changes)
  deadlines: Store['deadlines'] = () => this.#store.deadlines()
  compact: Store['compact'] = (revision) => this.#store.compact(revision)
  healthy: Store['healthy'] = () => this.#store.healthy()
  metrics: Store['metrics'] = () => this.#store.metrics()
  close: Store['close'] = () => this.#store.close()
}
