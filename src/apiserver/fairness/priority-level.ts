import type { PriorityLevelConfiguration } from '../../api/generated/types.ts'
import { FairQueue, type QueueLimits, type Seat } from './fair-queue.ts'
import { widest } from './list-width.ts'
import type { SeatClaim } from './seat-allocation.ts'
import { SeatDemand } from './seat-demand.ts'

/** As long as a level's need is remembered: half of it for five minutes, looked at every ten seconds. */
const smoothing = 0.977

/** How many seats a level has, by its object. */
export interface SeatBounds {
  readonly nominal: number
  /** Never lent. */
  readonly least: number
  readonly most: number
}

/** https://kubernetes.io/docs/concepts/cluster-administration/flow-control/#priority-levels */
export function seatBounds({ spec }: PriorityLevelConfiguration, seats: number, allShares: number): SeatBounds {
  const common = spec?.limited ?? spec?.exempt
  const nominal = allShares > 0 ? Math.ceil((seats * (common?.nominalConcurrencyShares ?? 0)) / allShares) : 0
  const lendable = Math.round((nominal * (common?.lendablePercent ?? 0)) / 100)
  const percent = spec?.limited?.borrowingLimitPercent
  const borrowed = percent === undefined || percent === null ? seats : Math.round((nominal * percent) / 100)
  return { nominal, least: nominal - lendable, most: nominal + borrowed }
}

function limitsOf({ spec }: PriorityLevelConfiguration): QueueLimits {
  const { queues = 0, handSize = 0, queueLengthLimit = 0 } = spec?.limited?.limitResponse?.queuing ?? {}
  return { queues, handSize, queueLength: queueLengthLimit }
}

/** The requests of one PriorityLevelConfiguration, and their seats. */
export class PriorityLevel {
  #object: PriorityLevelConfiguration
  #bounds: SeatBounds = { nominal: 0, least: 0, most: 0 }
  readonly #queue: FairQueue
  readonly #demand: SeatDemand
  #smoothed = 0
  #highest = 0

  constructor(object: PriorityLevelConfiguration, bounds: SeatBounds, nowMs: () => number) {
    this.#object = object
    this.#demand = new SeatDemand(nowMs())
    // Half of what may be lent is, until there is something to go by.
    const seats = bounds.nominal - Math.floor((bounds.nominal - bounds.least) / 2)
    this.#queue = new FairQueue(seats, limitsOf(object), (demand) => this.#demand.set(demand, nowMs()))
    this.configure(object, bounds)
  }

  get object(): PriorityLevelConfiguration {
    return this.#object
  }
  get bounds(): SeatBounds {
    return this.#bounds
  }
  get isExempt(): boolean {
    return this.#object.spec?.type === 'Exempt'
  }
  /** Requests wait here rather than be refused at once. */
  get queues(): boolean {
    return limitsOf(this.#object).queues > 0
  }
  /** Seats that one request takes at most. */
  get widest(): number {
    return widest(this.#bounds.nominal, limitsOf(this.#object).handSize)
  }
  get queue(): Pick<FairQueue, 'seats' | 'taken' | 'waiting' | 'seatNow' | 'seatInTurn'> {
    return this.#queue
  }

  configure(object: PriorityLevelConfiguration, bounds: SeatBounds): void {
    this.#object = object
    this.#bounds = bounds
    this.#queue.limit(limitsOf(object))
  }

  /** A seat where nobody is made to wait. */
  seatOfExempt(width: number): Seat {
    this.#queue.resize(this.#queue.taken + width)
    return this.#queue.seatNow(width) as Seat
  }

  /** What it needs, by what it needed since the last time. */
  claim(nowMs: number): SeatClaim {
    const { highest, average, deviation } = this.#demand.take(nowMs)
    const envelope = average + deviation
    this.#smoothed = Math.max(envelope, smoothing * this.#smoothed + (1 - smoothing) * envelope)
    this.#highest = highest
    const { nominal, least, most } = this.#bounds
    const own = this.isExempt ? Math.max(least, this.#highest) : Math.max(least, Math.min(nominal, this.#highest))
    return { least: own, most: Math.max(own, most), wanted: Math.max(own, this.#smoothed) }
  }

  resize(seats: number): void {
    this.#queue.resize(seats)
  }
}
