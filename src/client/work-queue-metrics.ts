import { Counter, Histogram, headOf } from '../host/metric-families.ts'

/** What a queue tells of itself at any moment. */
export interface MeasuredQueue {
  readonly name: string
  /** Keys that wait for a worker now. */
  readonly length: number
  /** For how long each worker has been at its key, in milliseconds. */
  runningMs(): readonly number[]
}

const bounds = Array.from({ length: 10 }, (_, exponent) => Number(`1e${exponent - 8}`))

/** Work queues under client-go's names. */
export class WorkQueueMetrics {
  readonly #queues = new Set<MeasuredQueue>()
  readonly #adds = new Counter('workqueue_adds_total', ['name'], 'Keys that were added to the queue.')
  readonly #retries = new Counter('workqueue_retries_total', ['name'], 'Keys that came again after a failure.')
  readonly #waited = new Histogram('workqueue_queue_duration_seconds', ['name'], bounds, 'How long keys waited for a worker.')
  readonly #worked = new Histogram('workqueue_work_duration_seconds', ['name'], bounds, 'How long keys were worked on.')

  follow(queue: MeasuredQueue): void {
    this.#queues.add(queue)
  }

  added(name: string): void {
    this.#adds.add([name])
  }

  retried(name: string): void {
    this.#retries.add([name])
  }

  waited(name: string, milliseconds: number): void {
    this.#waited.observe([name], milliseconds / 1000)
  }

  worked(name: string, milliseconds: number): void {
    this.#worked.observe([name], milliseconds / 1000)
  }

  forget(queue: MeasuredQueue): void {
    this.#queues.delete(queue)
  }

  lines(): string[] {
    // A controller may have several of one name.
    const each = (metric: string, help: string, value: (queue: MeasuredQueue) => number): string[] => {
      const sums = new Map<string, number>()
      for (const queue of this.#queues) sums.set(queue.name, (sums.get(queue.name) ?? 0) + value(queue))
      return [...headOf(metric, 'gauge', help), ...[...sums].map(([name, sum]) => `${metric}{name="${name}"} ${sum}`)]
    }
    return [
      ...each('workqueue_depth', 'Keys that wait for a worker.', ({ length }) => length),
      ...each(
        'workqueue_unfinished_work_seconds',
        'How long what is being worked on has been so, together.',
        (queue) => queue.runningMs().reduce((sum, ms) => sum + ms, 0) / 1000,
      ),
      ...each(
        'workqueue_longest_running_processor_seconds',
        'For how long the slowest worker has been at its key.',
        (queue) => Math.max(0, ...queue.runningMs()) / 1000,
      ),
      ...[this.#adds, this.#retries, this.#waited, this.#worked].flatMap((family) => family.lines()),
    ]
  }
}
