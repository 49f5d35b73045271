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
const mutationLabels = labels.slice(0, 3)
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

  readonly #mutations = new Counter(
    'apiserver_mutating_admission_policy_check_total',
    mutationLabels,
    'Mutations by policies, and whether they could be made.',
  )
  readonly #mutationDuration = new Histogram(
    'apiserver_mutating_admission_policy_check_duration_seconds',
    mutationLabels,
    bounds,
    'Latency in seconds of single mutations by policies.',
  )

  nowMs(): number {
    return this.#clock.monotonic()
  }

  checked({ policy, binding, error, action, milliseconds }: PolicyCheck): void {
    this.#count.add([policy, binding, error, action])
    this.#duration.observe([policy, binding, error, action], milliseconds / 1000)
  }

  mutated({ policy, binding, error, milliseconds }: Omit<PolicyCheck, 'action'>): void {
    this.#mutations.add([policy, binding, error])
    this.#mutationDuration.observe([policy, binding, error], milliseconds / 1000)
  }

  lines(): string[] {
    const counters = [this.#count, this.#duration, this.#mutations, this.#mutationDuration]
    return counters.flatMap((one) => one.lines())
  }
}
