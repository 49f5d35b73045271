import { handOf } from './shuffle-shard.ts'

export interface Seat {
  release(): void
}

export interface QueueLimits {
  /** 0: nothing waits. */
  readonly queues: number
  /** Queues that one flow may use. */
  readonly handSize: number
  /** Requests that may wait in a queue. */
  readonly queueLength: number
}

/** What waits for a seat. */
interface Waiting {
  readonly start: () => void
}

/**
 * Seats for requests, handed out in turn to the queues in which some wait: a flow with a thousand requests gets the next seat
 * no sooner than one with a single request in another queue.
 */
export class FairQueue {
  #limits: QueueLimits
  #seats: number
  /** Requests that wait, by queue; a queue that was served goes to the end of the map. */
  readonly #queues = new Map<number, Waiting[]>()
  readonly #changed: (demand: number) => void
  #taken = 0
  #waiting = 0

  /** `changed` hears how many requests are served or wait. */
  constructor(seats: number, limits: QueueLimits, changed: (demand: number) => void = () => {}) {
    this.#seats = seats
    this.#limits = limits
    this.#changed = changed
  }

  get seats(): number {
    return this.#seats
  }
  get taken(): number {
    return this.#taken
  }
  get waiting(): number {
    return this.#waiting
  }

  /** What waits already stays where it is. */
  limit(limits: QueueLimits): void {
    this.#limits = limits
  }

  /** Who has a seat keeps it, even where there are fewer now. */
  resize(seats: number): void {
    this.#seats = seats
    this.#next()
  }

  /** A seat that is free: `release` gives it back. Undefined: all are taken. */
  seatNow(): Seat | undefined {
    return this.#taken < this.#seats && this.#waiting === 0 ? this.#take() : undefined
  }

  /**
   * A seat, when it is the turn of the flow's queue. Undefined: the shortest of its queues is full. Rejects with the signal's
   * reason if that comes first; the place in the queue is then given up.
   */
  seatInTurn(flow: string, signal: AbortSignal): Promise<Seat> | undefined {
    const at = this.#shortest(flow)
    const queue = this.#queues.get(at) ?? []
    if (at < 0 || queue.length >= this.#limits.queueLength) return undefined
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        start: () => {
          signal.removeEventListener('abort', giveUp)
          resolve(this.#take())
        },
      }
      const giveUp = (): void => {
        this.#drop(at, waiting)
        reject(signal.reason)
      }
      if (signal.aborted) return reject(signal.reason)
      signal.addEventListener('abort', giveUp, { once: true })
      queue.push(waiting)
      this.#queues.set(at, queue)
      this.#count(0, 1)
    })
  }

  /** -1: there are no queues. */
  #shortest(flow: string): number {
    const { queues, handSize } = this.#limits
    let best = -1
    let least = Number.POSITIVE_INFINITY
    for (const at of handOf(flow, queues, handSize)) {
      const length = this.#queues.get(at)?.length ?? 0
      if (length >= least) continue
      best = at
      least = length
    }
    return best
  }

  #take(): Seat {
    this.#count(1, 0)
    let released = false
    return {
      release: () => {
        if (released) return
        released = true
        this.#count(-1, 0)
        this.#next()
      },
    }
  }

  #next(): void {
    while (this.#taken < this.#seats && this.#waiting > 0) {
      const [at, queue] = this.#queues.entries().next().value as [number, Waiting[]]
      const first = queue.shift() as Waiting
      this.#queues.delete(at)
      if (queue.length > 0) this.#queues.set(at, queue)
      this.#count(0, -1)
      first.start()
    }
  }

  #drop(at: number, waiting: Waiting): void {
    const queue = this.#queues.get(at) ?? []
    const index = queue.indexOf(waiting)
    if (index < 0) return
    queue.splice(index, 1)
    if (queue.length === 0) this.#queues.delete(at)
    this.#count(0, -1)
  }

  #count(taken: number, waiting: number): void {
    this.#taken += taken
    this.#waiting += waiting
    this.#changed(this.#taken + this.#waiting)
  }
}
