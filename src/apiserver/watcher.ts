import type { ApiWatchEvent } from '../machinery/api-request.ts'
import type { KubeObject } from '../machinery/object.ts'
import type { StatusError } from '../machinery/status.ts'
import type { CachedObject } from './cached-object.ts'
import type { Change, ChangeHistory, Follower, Scope } from './change-history.ts'
import { ObjectEvent, PresentedEvent, type WatchForm } from './watch-event.ts'

export type Selects = (item: CachedObject) => boolean

export interface WatcherOptions {
  readonly history: ChangeHistory
  /** Undefined: everything. */
  readonly selects: Selects | undefined
  /** Nothing outside of it is selected; undefined: anything may be. */
  readonly scope: Scope | undefined
  /** Undefined: objects as they are. */
  readonly form: WatchForm | undefined
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

/** Handed out in one go at most, so that one reader of a large backlog neither holds up the others nor takes much memory. */
const batchLimits = { events: 128, bytes: 256 << 10 }

/**
 * One watch: a cursor into the shared history of its kind, nothing queued. A reader that the history has overtaken is
 * dropped at that moment and told so with an ERROR (Expired, so that it lists anew); it holds up nobody.
 */
export class Watcher implements AsyncIterable<ApiWatchEvent>, Follower {
  readonly scope: Scope | undefined
  readonly #options: WatcherOptions
  #initial: readonly CachedObject[]
  #initialAt = 0
  #position: number
  /** Has read all there was; with a scope, nothing that came since concerns it: its position does not matter. */
  #caughtUp = false
  #told: number
  #isFirst = true
  #initialMarked: boolean
  #bookmarkDue = false
  #ended = false
  /** Dropped; the reader has still to hear of it. */
  #overtaken = false
  #timedOut = false
  #wake: (() => void) | undefined
  readonly #whenEnded: (() => void)[] = []

  constructor(options: WatcherOptions) {
    this.#options = options
    this.scope = options.scope
    this.#initial = options.initial
    this.#position = options.position
    this.#told = options.after
    this.#initialMarked = !(options.markInitialEnd && options.bookmarks)
    options.history.follow(this)
    if (options.signal.aborted) this.end()
    else options.signal.addEventListener('abort', this.end, { once: true })
    if (!this.#ended) this.forgotten(options.history.first)
  }

  /** Something may be there to tell. */
  wake(): void {
    this.#wake?.()
  }

  concerned(position: number): void {
    if (!this.#caughtUp) return
    this.#caughtUp = false
    this.#position = position
  }

  forgotten(first: number): void {
    const skipsAhead = this.#caughtUp && this.scope !== undefined
    if (skipsAhead || this.#position >= first) return
    this.#leave()
    this.#overtaken = true
    this.#initial = []
    this.wake()
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

  /** Calls `run` once the watch has ended, whatever ends it. */
  whenEnded(run: () => void): void {
    if (this.#ended) run()
    else this.#whenEnded.push(run)
  }

  readonly end = (): void => {
    this.#overtaken = false
    this.#leave()
    this.wake()
  }

  #leave(): void {
    if (this.#ended) return
    this.#ended = true
    this.#options.history.leave(this)
    this.#options.signal.removeEventListener('abort', this.end)
    this.#options.onEnd()
    for (const run of this.#whenEnded) run()
  }

  /** The next events, at least one; undefined at the end. */
  async next(): Promise<ApiWatchEvent[] | undefined> {
    for (;;) {
      if (this.#overtaken) {
        this.#overtaken = false
        return [this.#shown({ type: 'ERROR', object: this.#options.expired(this.#told).status })]
      }
      if (this.#ended) return undefined
      const events = this.#take()
      if (this.#timedOut && this.#caughtUp) this.end()
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
    let bytes = 0
    while (this.#initialAt < this.#initial.length) {
      if (events.length >= batchLimits.events || bytes >= batchLimits.bytes) return events
      const item = this.#initial[this.#initialAt++] as CachedObject
      bytes += item.value.byteLength
      events.push(this.#shown(new ObjectEvent('ADDED', item)))
    }
    this.#initial = []
    this.#initialAt = 0
    if (!this.#initialMarked) {
      this.#initialMarked = true
      events.push(this.#shown({ type: 'BOOKMARK', object: this.#options.bookmarkOf(this.#told, true) }))
    }
    this.#takeChanges(events, bytes)
    return events
  }

  #takeChanges(events: ApiWatchEvent[], before: number): void {
    const { history } = this.#options
    if (this.#caughtUp && this.scope) this.#position = history.next
    for (let bytes = before; this.#position < history.next; ) {
      this.#caughtUp = false
      if (events.length >= batchLimits.events || bytes >= batchLimits.bytes) return
      const change = history.at(this.#position++)
      const event = change.revision > this.#told ? this.#eventOf(change) : undefined
      if (!event) continue
      events.push(event)
      bytes += change.bytes
    }
    this.#caughtUp = true
    this.#told = Math.max(this.#told, this.#options.revision())
    if (!this.#bookmarkDue) return
    this.#bookmarkDue = false
    events.push(this.#shown({ type: 'BOOKMARK', object: this.#options.bookmarkOf(this.#told, false) }))
  }

  /** What a change means to a reader who sees only a selection: objects come into it and leave it. */
  #eventOf(change: Change): ApiWatchEvent | undefined {
    const { selects, form } = this.#options
    const { item, previous } = change
    const isIn = item !== undefined && (!selects || selects(item))
    const wasIn = previous !== undefined && (!selects || selects(previous))
    if (!isIn && !wasIn) return undefined
    const first = this.#isFirst
    this.#isFirst = false
    if (isIn) return change.event(wasIn ? 'MODIFIED' : 'ADDED', form, first)
    return change.event('DELETED', form, first)
  }

  /** What is told to this one alone. */
  #shown(event: ApiWatchEvent): ApiWatchEvent {
    const { form } = this.#options
    const first = this.#isFirst
    this.#isFirst = false
    return form ? new PresentedEvent(form.present(event, first)) : event
  }
}
