import type { Clock } from '../../host/clock.ts'
import { Histogram } from '../../host/metric-families.ts'
import type { AdmissionRequest } from './plugin.ts'

type Step = 'admit' | 'validate'
const bounds = [0.005, 0.025, 0.1, 0.5, 1, 2.5]

/** How long admission takes, under upstream's names. */
export class AdmissionMetrics {
  readonly #clock: Clock
  readonly #plugins = new Histogram(
    'apiserver_admission_controller_admission_duration_seconds',
    ['name', 'type', 'operation', 'rejected'],
    bounds,
    'Admission latency in seconds by plug-in, operation and step.',
  )
  readonly #steps = new Histogram(
    'apiserver_admission_step_admission_duration_seconds',
    ['type', 'operation', 'rejected'],
    bounds,
    'Latency in seconds of all plug-ins together, by operation and step.',
  )

  constructor(clock: Clock) {
    this.#clock = clock
  }

  nowMs(): number {
    return this.#clock.monotonic()
  }

  ran(name: string, type: Step, operation: AdmissionRequest['operation'], rejected: boolean, milliseconds: number): void {
    this.#plugins.observe([name, type, operation.toUpperCase(), String(rejected)], milliseconds / 1000)
  }

  stepped(type: Step, operation: AdmissionRequest['operation'], rejected: boolean, milliseconds: number): void {
    this.#steps.observe([type, operation.toUpperCase(), String(rejected)], milliseconds / 1000)
  }

  lines(): string[] {
    return [...this.#plugins.lines(), ...this.#steps.lines()]
  }
}
