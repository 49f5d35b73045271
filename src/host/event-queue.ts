/** An async iterable that is fed by calls: keeps what was pushed until it is read, ends with its signal or with the reader. */
export class EventQueue<T> implements AsyncIterable<T>, AsyncIterator<T> {
  readonly #waiting: T[] = []
  readonly #signal: AbortSignal
  readonly #onEnd: () => void
  #reader: ((result: IteratorResult<T>) => void) | undefined
  #ended = false

  constructor(signal: AbortSignal, onEnd: () => void = () => {}) {
    this.#signal = signal
    this.#onEnd = onEnd
    if (signal.aborted) this.#ended = true
    else signal.addEventListener('abort', this.#abort, { once: true })
  }

  readonly #abort = (): void => this.end()

  push(value: T): void {
    if (this.#ended) return
    const reader = this.#reader
    this.#reader = undefined
    if (reader) reader({ done: false, value })
    else this.#waiting.push(value)
  }

  end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#signal.removeEventListener('abort', this.#abort)
    this.#reader?.({ done: true, value: undefined })
    this.#onEnd()
  }

  next(): Promise<IteratorResult<T>> {
    const value = this.#waiting.shift()
    if (value !== undefined) return Promise.resolve({ done: false, value })
    if (this.#ended) return Promise.resolve({ done: true, value: undefined })
    return new Promise((resolve) => {
      this.#reader = resolve
    })
  }

  return(): Promise<IteratorResult<T>> {
    this.end()
    return Promise.resolve({ done: true, value: undefined })
  }

  [Symbol.asyncIterator](): AsyncIterator<T> {
    return this
  }
}
