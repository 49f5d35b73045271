import type { CachedObject } from './cached-object.ts'
import { type EncodedEvent, ObjectEvent, PresentedEvent, type WatchForm } from './watch-event.ts'

type EventType = ObjectEvent['type']

/** A change of one object: made (no previous), changed, or deleted (no item). */
export class Change {
  readonly item: CachedObject | undefined
  readonly previous: CachedObject | undefined
  readonly revision: number
  /** What has been made of it for those who watch, by type and form. */
  #events: Map<string, EncodedEvent> | undefined

  constructor(item: CachedObject | undefined, previous: CachedObject | undefined, revision: number) {
    this.item = item
    this.previous = previous
    this.revision = revision
  }

  get bytes(): number {
    return (this.item ?? this.previous)?.value.byteLength ?? 0
  }

  /** One for all who see the change as this type and in this form. */
  event(type: EventType, form: WatchForm | undefined, first: boolean): EncodedEvent {
    const key = form ? `${type} ${form.name}${first ? ' first' : ''}` : type
    this.#events ??= new Map()
    let event = this.#events.get(key)
    if (!event) {
      const plain = new ObjectEvent(type, this.#state())
      event = form ? new PresentedEvent(form.present(plain, first)) : plain
      this.#events.set(key, event)
    }
    return event
  }

  /** Whoever comes so late that this is asked for again has it made again. */
  forgetEvents(): void {
    this.#events = undefined
  }

  /** Of what is gone: its last state, as of its going. */
  #state(): CachedObject {
    return this.item ?? (this.previous as CachedObject).at(this.revision)
  }
}

export interface HistoryLimits {
  readonly changes: number
  readonly bytes: number
}

/** What a follower is confined to: changes of other objects cannot concern it. */
export interface Scope {
  /** `namespace`, `name`, or a selectable field. */
  readonly by: string
  readonly value: string
}

/** Who follows a history. */
export interface Follower {
  readonly scope: Scope | undefined
  /** The change at `position` is within its scope. Called for followers that have a scope. */
  concerned(position: number): void
  /** There may be something to read. */
  wake(): void
  /** The history goes back no further than `first` now. */
  forgotten(first: number): void
  bookmarkDue(): void
  end(): void
}

/** So many of the newest changes keep their lines: those who follow are rarely further behind. */
const linesKept = 64

/** The last changes of a kind, bounded in number and bytes; positions count from the first change ever kept. */
export class ChangeHistory {
  readonly #followers = new Set<Follower>()
  readonly #everywhere = new Set<Follower>()
  /** Followers with a scope, by what it is about and its value. */
  readonly #scoped = new Map<string, Map<string, Set<Follower>>>()
  /** Those of them that what came since the last wakeAll concerns. */
  #concerned = new Set<Follower>()
  readonly #limits: HistoryLimits
  readonly #scopeValue: (by: string, item: CachedObject) => string
  #changes: Change[] = []
  #bytes = 0
  #first = 0
  /** Revision of the newest change that is gone: watches from before it cannot be served. */
  #forgotten: number

  /** `scopeValue`: what an object says of that which scopes are about. */
  constructor(startRevision: number, limits: HistoryLimits, scopeValue: (by: string, item: CachedObject) => string) {
    this.#forgotten = startRevision
    this.#limits = limits
    this.#scopeValue = scopeValue
  }

  get first(): number {
    return this.#first
  }
  get next(): number {
    return this.#first + this.#changes.length
  }
  /** The oldest revision after which everything is known. */
  get oldest(): number {
    return this.#forgotten
  }
  get followers(): ReadonlySet<Follower> {
    return this.#followers
  }

  at(position: number): Change {
    return this.#changes[position - this.#first] as Change
  }

  follow(follower: Follower): void {
    this.#followers.add(follower)
    const { scope } = follower
    if (!scope) {
      this.#everywhere.add(follower)
      return
    }
    const byValue = this.#scoped.get(scope.by) ?? new Map<string, Set<Follower>>()
    this.#scoped.set(scope.by, byValue)
    const together = byValue.get(scope.value) ?? new Set<Follower>()
    byValue.set(scope.value, together)
    together.add(follower)
  }

  leave(follower: Follower): void {
    this.#followers.delete(follower)
    this.#everywhere.delete(follower)
    this.#concerned.delete(follower)
    const { scope } = follower
    const byValue = scope && this.#scoped.get(scope.by)
    const together = byValue?.get(scope?.value as string)
    if (!scope || !byValue || !together?.delete(follower) || together.size > 0) return
    byValue.delete(scope.value)
    if (byValue.size === 0) this.#scoped.delete(scope.by)
  }

  append(change: Change): void {
    const position = this.next
    this.#changes.push(change)
    this.#bytes += change.bytes
    this.#changes.at(-1 - linesKept)?.forgetEvents()
    this.#tellConcerned(change, position)
    // A quarter goes at once, so that shifting the array costs little a change.
    if (this.#changes.length <= this.#limits.changes && this.#bytes <= this.#limits.bytes) return
    const gone = this.#changes.splice(0, Math.ceil(this.#changes.length / 4))
    for (const old of gone) this.#bytes -= old.bytes
    this.#first += gone.length
    this.#forgotten = gone.at(-1)?.revision ?? this.#forgotten
    for (const follower of [...this.#followers]) follower.forgotten(this.#first)
  }

  #tellConcerned({ item, previous }: Change, position: number): void {
    for (const [by, byValue] of this.#scoped) {
      const values = new Set([item, previous].flatMap((state) => (state ? [this.#scopeValue(by, state)] : [])))
      for (const value of values) {
        for (const follower of byValue.get(value) ?? []) {
          follower.concerned(position)
          this.#concerned.add(follower)
        }
      }
    }
  }

  wakeAll(): void {
    for (const follower of this.#everywhere) follower.wake()
    if (this.#concerned.size === 0) return
    const concerned = this.#concerned
    this.#concerned = new Set()
    for (const follower of concerned) follower.wake()
  }

  /** Where to begin to tell all changes after `revision`. */
  positionAfter(revision: number): number {
    let low = 0
    let high = this.#changes.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#changes[middle] as Change).revision > revision) high = middle
      else low = middle + 1
    }
    return this.#first + low
  }
}
