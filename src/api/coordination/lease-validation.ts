import { type FieldError, invalidValue, required } from '../../machinery/field-error.ts'
import type { Faults } from '../field-checks.ts'
import type { Lease } from '../generated/types.ts'

function* leaseFaults({ spec }: Lease): Faults {
  const { leaseDurationSeconds: seconds, leaseTransitions: transitions, strategy, preferredHolder } = spec
  if (seconds !== undefined && seconds <= 0) yield invalidValue('spec.leaseDurationSeconds', seconds, 'must be greater than 0')
  if (transitions !== undefined && transitions < 0) {
    yield invalidValue('spec.leaseTransitions', transitions, 'must be greater than or equal to 0')
  }
  if (preferredHolder && !strategy) yield required('spec.strategy', 'can be specified only with `preferredHolder`')
}

export const validateLease = (lease: Lease): FieldError[] => [...leaseFaults(lease)]
