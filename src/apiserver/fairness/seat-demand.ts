/** How many seats were taken or waited for since it was last asked. */
export interface Demand {
  readonly highest: number
  /** Average and deviation over time. */
  readonly average: number
  readonly deviation: number
}

/** Watches a number over time. */
export class SeatDemand {
  #value = 0
  #highest = 0
  #sinceMs: number
  #changedMs: number
  /** Of value times milliseconds, and of the value's square. */
  #sum = 0
  #squares = 0

  constructor(nowMs: number) {
    this.#sinceMs = nowMs
    this.#changedMs = nowMs
  }

  set(value: number, nowMs: number): void {
    this.#passed(nowMs)
    this.#value = value
    this.#highest = Math.max(this.#highest, value)
  }

  /** Begins anew. */
  take(nowMs: number): Demand {
    this.#passed(nowMs)
    const ms = nowMs - this.#sinceMs
    const average = ms > 0 ? this.#sum / ms : this.#value
    const variance = ms > 0 ? this.#squares / ms - average * average : 0
    const demand = { highest: this.#highest, average, deviation: Math.sqrt(Math.max(0, variance)) }
    this.#sinceMs = nowMs
    this.#highest = this.#value
    this.#sum = 0
    this.#squares = 0
    return demand
  }

  #passed(nowMs: number): void {
    const ms = nowMs - this.#changedMs
    this.#sum += this.#value * ms
    this.#squares += this.#value * this.#value * ms
    this.#changedMs = nowMs
  }
}
