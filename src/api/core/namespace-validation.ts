import { type FieldError, invalidValue } from '../../machinery/field-error.ts'
import { type Faults, qualifiedNameFaults } from '../field-checks.ts'
import type { Namespace } from '../generated/types.ts'
import { standardFinalizerFaults } from '../metadata-validation.ts'

function* finalizerFaults(finalizers: readonly string[]): Faults {
  for (const name of finalizers) {
    yield* qualifiedNameFaults('spec.finalizers', name)
    yield* standardFinalizerFaults('spec.finalizers', name)
  }
}

export const validateNamespace = ({ spec }: Namespace): FieldError[] => [...finalizerFaults(spec.finalizers ?? [])]

/** The phase follows from deletion alone. */
export function validateNamespaceStatus({ metadata, status }: Namespace): FieldError[] {
  const phase = status?.phase ?? ''
  if (!metadata.deletionTimestamp && phase !== 'Active') {
    return [invalidValue('status.Phase', phase, "may only be 'Active' if `deletionTimestamp` is empty")]
  }
  if (metadata.deletionTimestamp && phase !== 'Terminating') {
    return [invalidValue('status.Phase', phase, "may only be 'Terminating' if `deletionTimestamp` is not empty")]
  }
  return []
}
