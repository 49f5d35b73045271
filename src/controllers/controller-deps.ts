import type { Client } from '../client/client.ts'
import type { WorkQueueMetrics } from '../client/work-queue-metrics.ts'
import type { Clock } from '../host/clock.ts'
import type { Log } from '../host/log.ts'
import type { Random } from '../host/random.ts'
import type { Informers } from './informers.ts'

/** What every controller gets. Controllers never call one another: they meet in the API. */
export interface ControllerDeps {
  readonly client: Client
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly signal: AbortSignal
  readonly informers: Informers
  /** Absent: nobody measures the work queues. */
  readonly queueMetrics?: WorkQueueMetrics
}

/**
 * Registers its handlers with the informers at once; the answer starts its workers once everything is synced,
 * and resolves when they have ended.
 */
export type Controller = (deps: ControllerDeps) => () => Promise<void>
