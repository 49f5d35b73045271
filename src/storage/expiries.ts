import type { Clock } from '../host/clock.ts'

/**
 * When which key is to go. Keys that go in the same second are kept together, so that setting a deadline anew costs the
 * same however many there are.
 */
export class Expiries {
  readonly #deadlines = new Map<string, number>()
  readonly #bySecond = new Map<number, Set<string>>()
  /** The first second of #bySecond, or one that has been emptied since: then the first is looked up anew. */
  #soonest: number | undefined

  /** Milliseconds since the epoch; undefined: it stays. */
  set(key: string, deadlineMs: number | undefined): void {
    const before = this.#deadlines.get(key)
    if (before === deadlineMs) return
    if (before !== undefined) this.#leave(key, before)
    if (deadlineMs === undefined) {
      this.#deadlines.delete(key)
      return
    }
    this.#deadlines.set(key, deadlineMs)
    const second = secondOf(deadlineMs)
    const together = this.#bySecond.get(second)
    if (together) together.add(key)
    else this.#bySecond.set(second, new Set([key]))
    if (this.#soonest === undefined || second < this.#soonest) this.#soonest = second
  }

  deadlineOf(key: string): number | undefined {
    return this.#deadlines.get(key)
  }

  all(): ReadonlyMap<string, number> {
    return new Map(this.#deadlines)
  }

  /** Keys whose time is over, at most `limit`, the longest overdue first. */
  due(nowMs: number, limit: number): string[] {
    const seconds = [...this.#bySecond.keys()].filter((second) => second * 1000 <= nowMs).sort((a, b) => a - b)
    const keys: string[] = []
    for (const second of seconds) {
      for (const key of this.#bySecond.get(second) ?? []) {
        if (keys.length === limit) return keys
        keys.push(key)
      }
    }
    return keys
  }

  /** When the next key is to go, rounded up to a whole second; undefined: none is. */
  nextMs(): number | undefined {
    if (this.#soonest !== undefined && !this.#bySecond.has(this.#soonest)) {
      this.#soonest = undefined
      for (const second of this.#bySecond.keys()) this.#soonest = Math.min(second, this.#soonest ?? second)
    }
    return this.#soonest === undefined ? undefined : this.#soonest * 1000
  }

  #leave(key: string, deadlineMs: number): void {
    const second = secondOf(deadlineMs)
    const together = this.#bySecond.get(second)
    together?.delete(key)
    if (together?.size === 0) this.#bySecond.delete(second)
  }
}

/** Up, for nothing may go before its time. */
function secondOf(deadlineMs: number): number {
  return Math.ceil(deadlineMs / 1000)
}

/** A disk that takes no writes is asked again after this; and bursts of deadlines go together. */
const atLeastMs = 1000
/** Wall clocks are set now and then: what is to go is looked at this often. */
const atMostMs = 60_000

/** Calls `expire` when keys are due: once a second at most, and never while nothing is to go. */
export class ExpiryTimer {
  readonly #expiries: Expiries
  readonly #clock: Clock
  readonly #expire: () => void
  #cancel: (() => void) | undefined
  #firesAtMs = 0
  #stopped = false

  constructor(expiries: Expiries, clock: Clock, expire: () => void) {
    this.#expiries = expiries
    this.#clock = clock
    this.#expire = expire
  }

  /** To be called after a deadline may have been set. */
  arm(): void {
    const nextMs = this.#expiries.nextMs()
    if (nextMs === undefined || this.#stopped || (this.#cancel && this.#firesAtMs <= nextMs)) return
    const nowMs = this.#clock.now()
    const delayMs = Math.min(Math.max(nextMs - nowMs, atLeastMs), atMostMs)
    // What is overdue already must not put the timer off.
    if (this.#cancel && this.#firesAtMs <= nowMs + delayMs) return
    this.#cancel?.()
    this.#firesAtMs = nowMs + delayMs
    this.#cancel = this.#clock.after(delayMs, () => this.#fire())
  }

  stop(): void {
    this.#stopped = true
    this.#cancel?.()
    this.#cancel = undefined
  }

  #fire(): void {
    this.#cancel = undefined
    const nextMs = this.#expiries.nextMs()
    if (nextMs !== undefined && nextMs <= this.#clock.now()) this.#expire()
    this.arm()
  }
}
