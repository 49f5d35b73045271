import { type FieldError, invalidValue } from '../../machinery/field-error.ts'
import { type Faults, qualifiedNameFaults } from '../field-checks.ts'
import type { Namespace } from '../generated/types.ts'

function* finalizerFaults(finalizers: readonly string[]): Faults {
  for (const name of finalizers) {
    yield* qualifiedNameFaults('spec.finalizers', name)
    if (!name.includes('/') && name !== 'kubernetes') {
      yield invalidValue('spec.finalizers', name, 'name is neither a standard finalizer name nor is it fully qualified')
    }
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
