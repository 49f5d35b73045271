export interface Seat {
  release(): void
}

/** What waits for a seat. */
interface Waiting {
  readonly start: () => void
}

/**
 * Seats for requests, handed out in turn to the flows that wait: a flow with a thousand requests gets the next seat no
 * sooner than one with a single request.
 */
export class FairQueue {
  readonly #seats: number
  readonly #queueLength: number
  /** Requests that wait, by flow; a flow that was served goes to the end of the map. */
  readonly #flows = new Map<string, Waiting[]>()
  #taken = 0
  #waiting = 0

  constructor(limits: { seats: number; queueLength: number }) {
    this.#seats = limits.seats
    this.#queueLength = limits.queueLength
  }

  get taken(): number {
    return this.#taken
  }
  get waiting(): number {
    return this.#waiting
  }

  /** A seat that is free: `release` gives it back. Undefined: all are taken. */
  seatNow(): Seat | undefined {
    return this.#taken < this.#seats && this.#waiting === 0 ? this.#take() : undefined
  }

  /**
   * A seat, when it is the flow's turn. Undefined: the flow's queue is full. Rejects with the signal's reason if that comes
   * first; the place in the queue is then given up.
   */
  seatInTurn(flow: string, signal: AbortSignal): Promise<Seat> | undefined {
    const queue = this.#flows.get(flow) ?? []
    if (queue.length >= this.#queueLength) return undefined
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        start: () => {
          signal.removeEventListener('abort', giveUp)
          resolve(this.#take())
        },
      }
      const giveUp = (): void => {
        this.#drop(flow, waiting)
        reject(signal.reason)
      }
      if (signal.aborted) return reject(signal.reason)
      signal.addEventListener('abort', giveUp, { once: true })
      queue.push(waiting)
      this.#flows.set(flow, queue)
      this.#waiting++
    })
  }

  #take(): Seat {
    this.#taken++
    let released = false
    return {
      release: () => {
        if (released) return
        released = true
        this.#taken--
        this.#next()
      },
    }
  }

  #next(): void {
    while (this.#taken < this.#seats && this.#waiting > 0) {
      const [flow, queue] = this.#flows.entries().next().value as [string, Waiting[]]
      const first = queue.shift() as Waiting
      this.#flows.delete(flow)
      if (queue.length > 0) this.#flows.set(flow, queue)
      this.#waiting--
      first.start()
    }
  }

  #drop(flow: string, waiting: Waiting): void {
    const queue = this.#flows.get(flow) ?? []
    const at = queue.indexOf(waiting)
    if (at < 0) return
    queue.splice(at, 1)
    if (queue.length === 0) this.#flows.delete(flow)
    this.#waiting--
  }
}
