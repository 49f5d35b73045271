import type { ApiWatchEvent } from '../machinery/api-request.ts'
import type { KubeObject } from '../machinery/object.ts'
import type { StatusError } from '../machinery/status.ts'
import { type CachedObject, SharedWatchEvent } from './cached-object.ts'
import type { ChangeHistory, Follower, HistoryEvent } from './change-history.ts'

export type Selects = (item: CachedObject) => boolean

export interface WatcherOptions {
  readonly history: ChangeHistory
  /** Undefined: everything. */
  readonly selects: Selects | undefined
  /** Told as ADDED before anything else. */
  readonly initial: readonly CachedObject[]
  /** Position in the history from which to go on. */
  readonly position: number
  /** Events up to this revision are not told. */
  readonly after: number
  readonly bookmarks: boolean
  /** With bookmarks: mark where the initial events end. */
  readonly markInitialEnd: boolean
  /** The revision up to which the history is complete: what a bookmark says. */
  readonly revision: () => number
  readonly bookmarkOf: (revision: number, initialEventsEnd: boolean) => KubeObject
  readonly expired: (revision: number) => StatusError
  /** Called once, whatever ends it. */
  readonly onEnd: () => void
  readonly signal: AbortSignal
}

/** Lines handed out in one go, so that one reader of a large backlog does not hold up the others. */
const batchSize = 128

/**
 * One watch: a cursor into the shared history of its kind, nothing queued. A reader that the history has overtaken
 * is told so with an ERROR (Expired, so that it lists anew) and dropped; it holds up nobody.
 */
export class Watcher implements AsyncIterable<ApiWatchEvent>, Follower {
  readonly #options: WatcherOptions
  #initial: number
  #position: number
  #told: number
  #initialMarked: boolean
  #bookmarkDue = false
  #ended = false
  #timedOut = false
  #wake: (() => void) | undefined

  constructor(options: WatcherOptions) {
    this.#options = options
    this.#initial = 0
    this.#position = options.position
    this.#told = options.after
    this.#initialMarked = !(options.markInitialEnd && options.bookmarks)
    options.history.watchers.add(this)
    if (options.signal.aborted) this.end()
    else options.signal.addEventListener('abort', this.end, { once: true })
  }

  /** Something may be there to tell. */
  wake(): void {
    this.#wake?.()
  }

  bookmarkDue(): void {
    if (!this.#options.bookmarks) return
    this.#bookmarkDue = true
    this.wake()
  }

  /** Its time is over: a last bookmark, then the end. */
  timeOut(): void {
    this.#timedOut = true
    this.#bookmarkDue = this.#options.bookmarks
    this.wake()
  }

  readonly end = (): void => {
    if (this.#ended) return
    this.#ended = true
    this.#options.history.watchers.delete(this)
    this.#options.signal.removeEventListener('abort', this.end)
    this.#options.onEnd()
    this.wake()
  }

  /** The next events, at least one; undefined at the end. */
  async next(): Promise<ApiWatchEvent[] | undefined> {
    for (;;) {
      if (this.#ended) return undefined
      const events = this.#take()
      if (this.#timedOut && events.length < batchSize) this.end()
      if (events.length > 0) return events
      if (this.#ended) return undefined
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      this.#wake = undefined
    }
  }

  async *[Symbol.asyncIterator](): AsyncIterator<ApiWatchEvent> {
    try {
      for (let events = await this.next(); events; events = await this.next()) yield* events
    } finally {
      this.end()
    }
  }

  #take(): ApiWatchEvent[] {
    const events: ApiWatchEvent[] = []
    const { initial } = this.#options
    while (this.#initial < initial.length && events.length < batchSize) {
      events.push(new SharedWatchEvent('ADDED', initial[this.#initial++] as CachedObject))
    }
    if (this.#initial < initial.length) return events
    if (!this.#initialMarked) {
      this.#initialMarked = true
      events.push({ type: 'BOOKMARK', object: this.#options.bookmarkOf(this.#told, true) })
    }
    this.#takeChanges(events)
    return events
  }

  #takeChanges(events: ApiWatchEvent[]): void {
    const { history } = this.#options
    if (this.#position < history.first) {
      events.push({ type: 'ERROR', object: this.#options.expired(this.#told).status })
      this.end()
      return
    }
    while (this.#position < history.next) {
      if (events.length >= batchSize) return
      const change = history.at(this.#position++)
      if (change.revision <= this.#told) continue
      const event = this.#eventOf(change)
      if (event) events.push(event)
    }
    this.#told = Math.max(this.#told, this.#options.revision())
    if (this.#bookmarkDue) {
      this.#bookmarkDue = false
      events.push({ type: 'BOOKMARK', object: this.#options.bookmarkOf(this.#told, false) })
    }
  }

  /** What a change means to a reader who sees only a selection: objects come into it and leave it. */
  #eventOf({ item, previous, revision }: HistoryEvent): ApiWatchEvent | undefined {
    const { selects } = this.#options
    const isIn = item !== undefined && (!selects || selects(item))
    const wasIn = previous !== undefined && (!selects || selects(previous))
    if (isIn) return new SharedWatchEvent(wasIn ? 'MODIFIED' : 'ADDED', item)
    return wasIn ? new SharedWatchEvent('DELETED', this.#options.history.departed(previous, revision)) : undefined
  }
}
