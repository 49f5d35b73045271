import type { Clock } from '../../host/clock.ts'
import type { UserInfo } from '../../machinery/api-request.ts'
import { tooManyRequests } from '../../machinery/status.ts'
import type { Route } from '../route.ts'
import { FairQueue, type Seat } from './fair-queue.ts'
import { levelOf, priorityLevels } from './priority-levels.ts'

/** How long a request waits for its turn before it is refused: a quarter of the time that a request may take. */
const longestWaitMs = 15_000
const retryAfterSeconds = 1

/** Bounds how much is served at one time, so that no client starves the others, the nodes' heartbeats least of all. */
export class Fairness {
  readonly #clock: Clock
  readonly #queues = new Map(priorityLevels.map((level) => [level.name, new FairQueue(level)]))
  readonly #rejected = new Map<string, number>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Runs when it is the request's turn. Throws TooManyRequests where too much waits already, or for too long. */
  async run<T>(user: UserInfo, route: Route, signal: AbortSignal, serve: () => Promise<T>): Promise<T> {
    const level = levelOf(user, route)
    if (level.seats === Number.POSITIVE_INFINITY) return serve()
    const seat = await this.#seat(level.name, user.name, signal)
    try {
      return await serve()
    } finally {
      seat.release()
    }
  }

  async #seat(level: string, flow: string, signal: AbortSignal): Promise<Seat> {
    const queue = this.#queues.get(level) as FairQueue
    const free = queue.seatNow()
    if (free) return free
    const patience = new AbortController()
    const inTurn = queue.seatInTurn(flow, AbortSignal.any([signal, patience.signal]))
    if (!inTurn) throw this.#refusal(level)
    const cancel = this.#clock.after(longestWaitMs, () => patience.abort(this.#refusal(level)))
    try {
      return await inTurn
    } finally {
      cancel()
    }
  }

  #refusal(level: string): Error {
    this.#rejected.set(level, (this.#rejected.get(level) ?? 0) + 1)
    return tooManyRequests('too many requests, please try again later', retryAfterSeconds)
  }

  /** Prometheus lines under upstream's names. */
  metricLines(): string[] {
    const lines = [
      '# HELP apiserver_flowcontrol_current_executing_requests Requests being served.',
      '# TYPE apiserver_flowcontrol_current_executing_requests gauge',
    ]
    for (const [name, queue] of this.#queues)
      lines.push(`apiserver_flowcontrol_current_executing_requests{priority_level="${name}"} ${queue.taken}`)
    lines.push(
      '# HELP apiserver_flowcontrol_current_inqueue_requests Requests that wait for their turn.',
      '# TYPE apiserver_flowcontrol_current_inqueue_requests gauge',
    )
    for (const [name, queue] of this.#queues)
      lines.push(`apiserver_flowcontrol_current_inqueue_requests{priority_level="${name}"} ${queue.waiting}`)
    lines.push(
      '# HELP apiserver_flowcontrol_rejected_requests_total Requests refused with 429.',
      '# TYPE apiserver_flowcontrol_rejected_requests_total counter',
    )
    for (const [name, count] of this.#rejected)
      lines.push(`apiserver_flowcontrol_rejected_requests_total{priority_level="${name}"} ${count}`)
    return lines
  }
}
