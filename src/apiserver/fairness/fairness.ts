import type { FlowSchema, PriorityLevelConfiguration } from '../../api/generated/types.ts'
import type { Clock } from '../../host/clock.ts'
import type { UserInfo } from '../../machinery/api-request.ts'
import { tooManyRequests } from '../../machinery/status.ts'
import type { KindCache } from '../kind-cache.ts'
import type { Route } from '../route.ts'
import type { Seat } from './fair-queue.ts'
import { flowConfigOf, levelOf } from './flow-config.ts'
import { FlowCounts } from './flow-counts.ts'
import { matches, namespaceOf } from './flow-schema-match.ts'
import { type ListSize, listWidth } from './list-width.ts'
import { PriorityLevel, seatBounds } from './priority-level.ts'
import { shareOut } from './seat-allocation.ts'

/** How long a request waits for its turn before it is refused: a quarter of the time that a request may take. */
const longestWaitMs = 15_000
/** Levels lend each other seats by what they needed in so long a time. */
const lendingMs = 10_000
const retryAfterSeconds = 1
/** They last as long as whoever asked wants: no seat is theirs. */
const streams = new Set(['attach', 'exec', 'log', 'portforward', 'proxy'])

export interface FairnessDeps {
  readonly clock: Clock
  /** FlowSchemas and PriorityLevelConfigurations. */
  readonly schemas: Pick<KindCache, 'list' | 'onChange'>
  readonly levels: Pick<KindCache, 'list' | 'onChange'>
  /** Requests served at one time, shared by all levels. */
  readonly seats: number
}

/** Where a request belongs. */
export interface Flow {
  readonly schema: FlowSchema
  readonly level: PriorityLevel
  readonly distinguisher: string
  /** Seats that it takes. */
  readonly width: number
}

/**
 * Bounds how much is served at one time, so that no client starves the others, the nodes' heartbeats least of all: by the
 * FlowSchemas and PriorityLevelConfigurations as they are at the time.
 */
export class Fairness {
  readonly #deps: FairnessDeps
  readonly #counts = new FlowCounts()
  #schemas: readonly FlowSchema[] = []
  #levels: ReadonlyMap<string, PriorityLevel> = new Map()
  #isCurrent = false
  #lentMs = 0

  constructor(deps: FairnessDeps) {
    this.#deps = deps
    const changed = (): void => {
      this.#isCurrent = false
    }
    deps.schemas.onChange(changed)
    deps.levels.onChange(changed)
  }

  /** Undefined: it takes no seat, being a stream. `list`: what it sends, where it is a list or a watch that begins with one. */
  flowOf(user: UserInfo, route: Route, list?: ListSize): Flow | undefined {
    if (route.type === 'resource' && streams.has(route.subresource ?? '')) return undefined
    this.#refresh()
    // The last one is for everybody.
    const schema = this.#schemas.find((one) => matches(one, user, route)) ?? (this.#schemas.at(-1) as FlowSchema)
    const level = this.#levels.get(levelOf(schema)) as PriorityLevel
    const method = schema.spec?.distinguisherMethod?.type
    const distinguisher = method === 'ByUser' ? user.name : method === 'ByNamespace' ? (namespaceOf(route) ?? '') : ''
    return { schema, level, distinguisher, width: list ? listWidth(list, level.widest) : 1 }
  }

  /** Runs when it is the flow's turn. Throws TooManyRequests where too much waits already, or for too long. */
  async run<T>(flow: Flow | undefined, signal: AbortSignal, serve: () => Promise<T>): Promise<T> {
    if (!flow) return serve()
    const seat = await this.#seat(flow, signal)
    const served = this.#counts.of(flow)
    served.dispatched++
    served.executing++
    try {
      return await serve()
    } finally {
      served.executing--
      seat.release()
    }
  }

  async #seat(flow: Flow, signal: AbortSignal): Promise<Seat> {
    const { level, schema, distinguisher, width } = flow
    if (level.isExempt) return level.seatOfExempt(width)
    const free = level.queue.seatNow(width)
    if (free) return free
    if (!level.queues) throw this.#refusal(flow, 'concurrency-limit')
    const patience = new AbortController()
    const inTurn = level.queue.seatInTurn(`${schema.metadata.name},${distinguisher}`, AbortSignal.any([signal, patience.signal]), width)
    if (!inTurn) throw this.#refusal(flow, 'queue-full')
    const counts = this.#counts.of(flow)
    counts.waiting++
    const cancel = this.#deps.clock.after(longestWaitMs, () => patience.abort(this.#refusal(flow, 'time-out')))
    try {
      return await inTurn
    } finally {
      counts.waiting--
      cancel()
    }
  }

  #refusal(flow: Flow, reason: 'concurrency-limit' | 'queue-full' | 'time-out'): Error {
    this.#counts.of(flow).rejected[reason]++
    return tooManyRequests('too many requests, please try again later', retryAfterSeconds)
  }

  #refresh(): void {
    if (!this.#isCurrent) {
      this.#isCurrent = true
      this.#configure()
      this.#lend()
    } else if (this.#nowMs() - this.#lentMs >= lendingMs) this.#lend()
  }

  /** Levels that are no more serve what they have to its end. */
  #configure(): void {
    const objects = <T>(kind: Pick<KindCache, 'list'>): T[] => kind.list(undefined).map(({ object }) => object as T)
    const { schemas, levels } = flowConfigOf(
      objects<FlowSchema>(this.#deps.schemas),
      objects<PriorityLevelConfiguration>(this.#deps.levels),
    )
    const shares = ({ spec }: PriorityLevelConfiguration): number => (spec?.limited ?? spec?.exempt)?.nominalConcurrencyShares ?? 0
    const allShares = levels.reduce((sum, level) => sum + shares(level), 0)
    const next = new Map<string, PriorityLevel>()
    for (const object of levels) {
      const bounds = seatBounds(object, this.#deps.seats, allShares)
      const known = this.#levels.get(object.metadata.name)
      known?.configure(object, bounds)
      next.set(object.metadata.name, known ?? new PriorityLevel(object, bounds, () => this.#nowMs()))
    }
    this.#schemas = schemas
    this.#levels = next
  }

  #lend(): void {
    const nowMs = this.#nowMs()
    this.#lentMs = nowMs
    const claims = [...this.#levels.values()].map((level) => ({ level, ...level.claim(nowMs) }))
    const limited = claims.filter(({ level }) => !level.isExempt)
    const nominal = claims.reduce((sum, { level }) => sum + level.bounds.nominal, 0)
    const exempt = claims.reduce((sum, { level, least }) => sum + (level.isExempt ? least : 0), 0)
    const seats = shareOut(Math.max(0, nominal - exempt), limited)
    // However busy it is, what a level doesn't lend is its own.
    for (const [index, { level }] of limited.entries()) level.resize(Math.max(level.bounds.least, seats[index] as number))
  }

  #nowMs(): number {
    return this.#deps.clock.monotonic()
  }

  /** Prometheus lines under upstream's names. */
  lines(): string[] {
    return this.#counts.metricLines([...this.#levels.values()])
  }
}
