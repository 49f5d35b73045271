import type { CachedObject } from './cached-object.ts'

/** A change of one object: made (no previous), changed, or deleted (no item). */
export interface HistoryEvent {
  readonly item: CachedObject | undefined
  readonly previous: CachedObject | undefined
  readonly revision: number
}

export interface HistoryLimits {
  readonly events: number
  readonly bytes: number
}

/** Who follows a history: told that there may be something to read, that a bookmark is due, that it is over. */
export interface Follower {
  wake(): void
  bookmarkDue(): void
  end(): void
}

/** The last changes of a kind, bounded in number and bytes; positions count from the first change ever kept. */
export class ChangeHistory {
  readonly watchers = new Set<Follower>()
  readonly #limits: HistoryLimits
  #events: HistoryEvent[] = []
  #bytes = 0
  #first = 0
  /** Revision of the newest change that is gone: watches from before it cannot be served. */
  #forgotten: number
  readonly #departed = new WeakMap<CachedObject, CachedObject>()

  constructor(startRevision: number, limits: HistoryLimits) {
    this.#forgotten = startRevision
    this.#limits = limits
  }

  get first(): number {
    return this.#first
  }
  get next(): number {
    return this.#first + this.#events.length
  }
  /** The oldest revision after which everything is known. */
  get oldest(): number {
    return this.#forgotten
  }

  at(position: number): HistoryEvent {
    return this.#events[position - this.#first] as HistoryEvent
  }

  append(event: HistoryEvent): void {
    this.#events.push(event)
    this.#bytes += sizeOf(event)
    // A quarter goes at once, so that shifting the array costs little a change.
    if (this.#events.length <= this.#limits.events && this.#bytes <= this.#limits.bytes) return
    const gone = this.#events.splice(0, Math.ceil(this.#events.length / 4))
    for (const old of gone) this.#bytes -= sizeOf(old)
    this.#first += gone.length
    this.#forgotten = gone.at(-1)?.revision ?? this.#forgotten
  }

  wakeAll(): void {
    for (const watcher of this.watchers) watcher.wake()
  }

  /** Where to begin to tell all changes after `revision`. */
  positionAfter(revision: number): number {
    let low = 0
    let high = this.#events.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#events[middle] as HistoryEvent).revision > revision) high = middle
      else low = middle + 1
    }
    return this.#first + low
  }

  /** The last state of what is gone, as of its going; one for all who watch. */
  departed(previous: CachedObject, revision: number): CachedObject {
    const known = this.#departed.get(previous)
    if (known) return known
    const made = previous.at(revision)
    this.#departed.set(previous, made)
    return made
  }
}

const sizeOf = (event: HistoryEvent): number => (event.item ?? event.previous)?.value.byteLength ?? 0
