import type { FlowSchema } from '../../api/generated/types.ts'
import type { PriorityLevel } from './priority-level.ts'

/** What became of the requests of one FlowSchema at one level. */
export interface FlowCount {
  executing: number
  waiting: number
  dispatched: number
  readonly rejected: Record<'concurrency-limit' | 'queue-full' | 'time-out', number>
}

const families = [
  ['current_executing_requests', 'gauge', 'Requests being served.', 'executing'],
  ['current_inqueue_requests', 'gauge', 'Requests that wait for their turn.', 'waiting'],
  ['dispatched_requests_total', 'counter', 'Requests that were served.', 'dispatched'],
] as const

const prefix = 'apiserver_flowcontrol_'

export class FlowCounts {
  /** By `priority_level="...",flow_schema="..."`. */
  readonly #counts = new Map<string, FlowCount>()

  of({ schema, level }: { schema: FlowSchema; level: PriorityLevel }): FlowCount {
    const labels = `priority_level="${level.object.metadata.name}",flow_schema="${schema.metadata.name}"`
    let count = this.#counts.get(labels)
    if (!count) {
      count = { executing: 0, waiting: 0, dispatched: 0, rejected: { 'concurrency-limit': 0, 'queue-full': 0, 'time-out': 0 } }
      this.#counts.set(labels, count)
    }
    return count
  }

  /** Prometheus lines under upstream's names. */
  metricLines(levels: readonly PriorityLevel[]): string[] {
    const lines: string[] = []
    const family = (name: string, type: string, help: string): number =>
      lines.push(`# HELP ${prefix}${name} ${help}`, `# TYPE ${prefix}${name} ${type}`)
    for (const [name, type, help, field] of families) {
      family(name, type, help)
      for (const [labels, count] of this.#counts) lines.push(`${prefix}${name}{${labels}} ${count[field]}`)
    }
    family('rejected_requests_total', 'counter', 'Requests refused with 429.')
    for (const [labels, { rejected }] of this.#counts)
      for (const [reason, count] of Object.entries(rejected))
        if (count > 0) lines.push(`${prefix}rejected_requests_total{${labels},reason="${reason}"} ${count}`)
    const seats = (name: string, help: string, of: (level: PriorityLevel) => number): void => {
      family(name, 'gauge', help)
      for (const level of levels) lines.push(`${prefix}${name}{priority_level="${level.object.metadata.name}"} ${of(level)}`)
    }
    seats('nominal_limit_seats', 'Seats that a level has of its own.', ({ bounds }) => bounds.nominal)
    seats('lower_limit_seats', 'Seats that a level never lends.', ({ bounds }) => bounds.least)
    seats('upper_limit_seats', 'Seats that a level has at most, borrowed ones included.', ({ bounds }) => bounds.most)
    seats('current_limit_seats', 'Seats that a level has now.', ({ queue }) => queue.seats)
    return lines
  }
}
