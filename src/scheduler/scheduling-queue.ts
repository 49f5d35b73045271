import type { Clock } from '../host/clock.ts'
import type { ClusterEvent } from './filter.ts'

interface Item {
  readonly key: string
  readonly priority: number
  /** First come, first served among equals. */
  readonly order: number
  readonly attempts: number
  /** Monotonic time before which it is not tried again. */
  readonly notBeforeMs: number
}

interface Rejected extends Item {
  readonly helpedBy: ReadonlySet<ClusterEvent>
}

/** Upstream begins at 1 s. A tenth of that lets pods that wait for a booting node start with it, and still damps a storm. */
const firstBackoffMs = 100
const longestBackoffMs = 10_000

/**
 * Pods that need a node, the most important first. One that found none waits until something happens that may help it,
 * and at least 100 ms, doubled with each attempt, up to 10 s. Nothing is tried again merely because time has passed.
 */
export class SchedulingQueue {
  readonly #clock: Clock
  readonly #signal: AbortSignal
  /** In the order in which they are to be taken. */
  readonly #ready: Item[] = []
  readonly #rejected = new Map<string, Rejected>()
  readonly #backingOff = new Map<string, { item: Item; cancel: () => void }>()
  /** Taken, and not yet told how it went. */
  readonly #taken = new Map<string, Item>()
  #order = 0
  #waiting: ((key: string | undefined) => void) | undefined

  constructor(deps: { clock: Clock; signal: AbortSignal }) {
    this.#clock = deps.clock
    this.#signal = deps.signal
    deps.signal.addEventListener('abort', () => this.#stop(), { once: true })
  }

  /** A pod that is new, or has itself changed so that it may fit now. */
  add(key: string, priority: number): void {
    const known = this.#forget(key)
    this.#admit({
      key,
      priority,
      order: known?.order ?? this.#order++,
      attempts: known?.attempts ?? 0,
      notBeforeMs: known?.notBeforeMs ?? 0,
    })
  }

  delete(key: string): void {
    this.#forget(key)
  }

  /** The next pod to place; undefined once the signal is aborted. For one reader. */
  take(): Promise<string | undefined> {
    if (this.#signal.aborted) return Promise.resolve(undefined)
    const item = this.#ready.shift()
    if (item) return Promise.resolve(this.#hand(item))
    return new Promise((resolve) => {
      this.#waiting = resolve
    })
  }

  /** No node was found for a pod that was taken. */
  rejected(key: string, helpedBy: Iterable<ClusterEvent>): void {
    const item = this.#afterAttempt(key)
    if (item) this.#rejected.set(key, { ...item, helpedBy: new Set(helpedBy) })
  }

  /** A pod that had left the queue needs a node after all: again, after the first back-off. */
  retry(key: string, priority: number): void {
    this.#forget(key)
    this.#admit({ key, priority, order: this.#order++, attempts: 1, notBeforeMs: this.#clock.monotonic() + firstBackoffMs })
  }

  /** Something went wrong with a pod that was taken: again, after its back-off. */
  failed(key: string): void {
    const item = this.#afterAttempt(key)
    if (item) this.#admit(item)
  }

  happened(event: ClusterEvent): void {
    for (const item of [...this.#rejected.values()]) {
      if (!item.helpedBy.has(event)) continue
      this.#rejected.delete(item.key)
      this.#admit(item)
    }
  }

  #afterAttempt(key: string): Item | undefined {
    const item = this.#taken.get(key)
    if (!item) return undefined
    this.#taken.delete(key)
    const backoffMs = Math.min(longestBackoffMs, firstBackoffMs * 2 ** Math.min(item.attempts, 10))
    return { ...item, attempts: item.attempts + 1, notBeforeMs: this.#clock.monotonic() + backoffMs }
  }

  #admit(item: Item): void {
    if (this.#signal.aborted) return
    const waitMs = item.notBeforeMs - this.#clock.monotonic()
    if (waitMs > 0) {
      const cancel = this.#clock.after(waitMs, () => {
        this.#backingOff.delete(item.key)
        this.#offer(item)
      })
      this.#backingOff.set(item.key, { item, cancel })
    } else this.#offer(item)
  }

  #offer(item: Item): void {
    if (this.#waiting) {
      const waiting = this.#waiting
      this.#waiting = undefined
      waiting(this.#hand(item))
      return
    }
    let low = 0,
      high = this.#ready.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (isBefore(this.#ready[middle]!, item)) low = middle + 1
      else high = middle
    }
    this.#ready.splice(low, 0, item)
  }

  #hand(item: Item): string {
    this.#taken.set(item.key, item)
    return item.key
  }

  #forget(key: string): Item | undefined {
    const item = this.#rejected.get(key) ?? this.#backingOff.get(key)?.item ?? this.#taken.get(key)
    this.#rejected.delete(key)
    this.#taken.delete(key)
    this.#backingOff.get(key)?.cancel()
    this.#backingOff.delete(key)
    const at = item ? -1 : this.#ready.findIndex((ready) => ready.key === key)
    return at >= 0 ? this.#ready.splice(at, 1)[0] : item
  }

  #stop(): void {
    for (const { cancel } of this.#backingOff.values()) cancel()
    this.#backingOff.clear()
    this.#rejected.clear()
    this.#ready.length = 0
    this.#waiting?.(undefined)
    this.#waiting = undefined
  }
}

function isBefore(a: Item, b: Item): boolean {
  return a.priority !== b.priority ? a.priority > b.priority : a.order < b.order
}
