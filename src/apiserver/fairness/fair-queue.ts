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

/** What waits for its seats. */
interface Waiting {
  readonly width: number
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
  #wanted = 0

  /** `changed` hears how many seats are taken or waited for. */
  constructor(seats: number, limits: QueueLimits, changed: (demand: number) => void = () => {}) {
    this.#seats = seats
    this.#limits = limits
    this.#changed = changed
  }

  get seats(): number {
    return this.#seats
  }
  /** Seats. */
  get taken(): number {
    return this.#taken
  }
  /** Requests. */
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

  /** So many seats, if they are free: `release` gives them back. Undefined: they are not, or others wait already. */
  seatNow(width = 1): Seat | undefined {
    return this.#waiting === 0 && this.#hasRoom(width) ? this.#take(width) : undefined
  }

  /**
   * A seat, when it is the turn of the flow's queue. Undefined: the shortest of its queues is full. Rejects with the signal's
   * reason if that comes first; the place in the queue is then given up.
   */
  seatInTurn(flow: string, signal: AbortSignal, width = 1): Promise<Seat> | undefined {
    const at = this.#shortest(flow)
    const queue = this.#queues.get(at) ?? []
    if (at < 0 || queue.length >= this.#limits.queueLength) return undefined
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        width,
        start: () => {
          signal.removeEventListener('abort', giveUp)
          resolve(this.#take(width))
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
      this.#count(0, 1, width)
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

  /** What is wider than all there are is served alone: so nothing waits for ever. */
  #hasRoom(width: number): boolean {
    return this.#taken + width <= this.#seats || (this.#taken === 0 && width > this.#seats)
  }

  #take(width: number): Seat {
    this.#count(width, 0, 0)
    let released = false
    return {
      release: () => {
        if (released) return
        released = true
        this.#count(-width, 0, 0)
        this.#next()
      },
    }
  }

  /** Whose turn it is waits for room rather than let others before it: many narrow ones would never make any. */
  #next(): void {
    for (;;) {
      const next = this.#queues.entries().next().value
      if (!next) return
      const [at, queue] = next
      const first = queue[0] as Waiting
      if (!this.#hasRoom(first.width)) return
      queue.shift()
      this.#queues.delete(at)
      if (queue.length > 0) this.#queues.set(at, queue)
      this.#count(0, -1, -first.width)
      first.start()
    }
  }

  #drop(at: number, waiting: Waiting): void {
    const queue = this.#queues.get(at) ?? []
    const index = queue.indexOf(waiting)
    if (index < 0) return
    queue.splice(index, 1)
    if (queue.length === 0) this.#queues.delete(at)
    this.#count(0, -1, -waiting.width)
    // The next in line may be narrower.
    this.#next()
  }

  #count(taken: number, waiting: number, wanted: number): void {
    this.#taken += taken
    this.#waiting += waiting
    this.#wanted += wanted
    this.#changed(this.#taken + this.#wanted)
  }
}
