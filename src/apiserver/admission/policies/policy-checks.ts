import type { Clock } from '../../../host/clock.ts'
import { Counter, Histogram } from '../../../host/metric-families.ts'

export interface PolicyCheck {
  readonly policy: string
  readonly binding: string
  readonly error: 'no_error' | 'compile_error' | 'invalid_error' | 'out_of_budget'
  readonly action: 'allow' | 'deny' | 'warn' | 'audit'
  readonly milliseconds: number
}

const labels = ['policy', 'policy_binding', 'error_type', 'enforcement_action']
const bounds = [0.0000005, 0.001, 0.01, 0.1, 1]

/** What came of policies' expressions, under upstream's names. */
export class PolicyChecks {
  readonly #clock: Clock
  readonly #count = new Counter('apiserver_validating_admission_policy_check_total', labels, 'Checks by policies, and what followed.')
  readonly #duration = new Histogram(
    'apiserver_validating_admission_policy_check_duration_seconds',
    labels,
    bounds,
    'Latency in seconds of single expressions of policies, and what followed.',
  )

  constructor(clock: Clock) {
    this.#clock = clock
  }

  nowMs(): number {
    return this.#clock.monotonic()
  }

  checked({ policy, binding, error, action, milliseconds }: PolicyCheck): void {
    this.#count.add([policy, binding, error, action])
    this.#duration.observe([policy, binding, error, action], milliseconds / 1000)
  }

  lines(): string[] {
    return [...this.#count.lines(), ...this.#duration.lines()]
  }
}
