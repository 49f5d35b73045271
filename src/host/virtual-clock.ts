import type { Clock } from './clock.ts'

interface Timer {
  readonly atMs: number
  /** Timers of the same moment run in the order in which they were set. */
  readonly order: number
  readonly run: () => void
}

/**
 * Time that moves only when told to, for tests and simulations. Between two timers everything that can run without
 * waiting for time gets its turn: promises, microtasks, and what was put off to the next turn of the event loop.
 */
export class VirtualClock implements Clock {
  readonly #startMs: number
  #nowMs: number
  #order = 0
  #timers: Timer[] = []

  /** Default start: 2026-01-01T00:00:00Z. */
  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.#startMs = startMs
    this.#nowMs = startMs
  }

  now(): number {
    return this.#nowMs
  }

  monotonic(): number {
    return this.#nowMs - this.#startMs
  }

  /** Timers that wait. */
  get pending(): number {
    return this.#timers.length
  }

  after(delayMs: number, run: () => void): () => void {
    const timer: Timer = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, run }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer)
    }
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason)
        return
      }
      const abort = (): void => {
        cancel()
        reject(signal?.reason)
      }
      const cancel = this.after(delayMs, () => {
        signal?.removeEventListener('abort', abort)
        resolve()
      })
      signal?.addEventListener('abort', abort, { once: true })
    })
  }

  /** Moves time forward, running each timer at its moment and letting what follows from it settle. */
  async advance(byMs: number): Promise<void> {
    const untilMs = this.#nowMs + byMs
    await settle()
    for (let next = this.#next(untilMs); next; next = this.#next(untilMs)) {
      this.#nowMs = Math.max(this.#nowMs, next.atMs)
      this.#timers = this.#timers.filter((timer) => timer !== next)
      next.run()
      await settle()
    }
    this.#nowMs = untilMs
  }

  /** Lets time pass, timer by timer, until `done` holds; answers whether it did within `limitMs`. */
  async advanceUntil(done: () => boolean, limitMs: number): Promise<boolean> {
    const untilMs = this.#nowMs + limitMs
    await settle()
    while (!done()) {
      const next = this.#next(untilMs)
      if (!next) {
        this.#nowMs = untilMs
        return done()
      }
      await this.advance(Math.max(0, next.atMs - this.#nowMs))
    }
    return true
  }

  #next(untilMs: number): Timer | undefined {
    let first: Timer | undefined
    for (const timer of this.#timers) {
      if (timer.atMs <= untilMs && (!first || timer.atMs < first.atMs || (timer.atMs === first.atMs && timer.order < first.order)))
        first = timer
    }
    return first
  }
}

/** Turns of the event loop that are enough for chains of promises and setImmediate between components to come to rest. */
const turnsToSettle = 12

async function settle(): Promise<void> {
  for (let turn = 0; turn < turnsToSettle; turn++) await new Promise((resolve) => setImmediate(resolve))
}
