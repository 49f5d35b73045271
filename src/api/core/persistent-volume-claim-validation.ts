import { deepCopy, deepEqual } from '../../machinery/equality.ts'
import { type FieldError, forbiddenField, invalidValue, notSupported, required } from '../../machinery/field-error.ts'
import { dnsSubdomainFaults, type Faults, immutableFaults, labelSelectorFaults } from '../field-checks.ts'
import type { PersistentVolumeClaim, PersistentVolumeClaimSpec, TypedLocalObjectReference } from '../generated/types.ts'
import { compareQuantities, isPositiveQuantity } from '../quantity-checks.ts'
import { accessModes } from './access-modes.ts'

export function* accessModeFaults(path: string, modes: readonly string[]): Faults {
  for (const mode of modes) if (!accessModes.includes(mode)) yield notSupported(path, mode, accessModes)
  if (modes.includes('ReadWriteOncePod') && modes.length > 1) {
    yield forbiddenField(path, 'may not use ReadWriteOncePod with other access modes')
  }
}

export function* volumeModeFaults(path: string, mode: string | undefined): Faults {
  if (mode !== undefined && mode !== 'Block' && mode !== 'Filesystem') yield notSupported(path, mode, ['Block', 'Filesystem'])
}

export function* storageSizeFaults(path: string, size: string | undefined): Faults {
  if (size !== undefined && !isPositiveQuantity(size)) yield invalidValue(path, size, 'must be greater than zero')
}

function* dataSourceFaults(path: string, source: TypedLocalObjectReference | undefined): Faults {
  if (!source) return
  if (!source.name) yield required(`${path}.name`)
  if (!source.kind) yield required(`${path}.kind`)
  if (!source.apiGroup && source.kind !== 'PersistentVolumeClaim') {
    yield invalidValue(path, source.kind, "must be 'PersistentVolumeClaim' when referencing the default apiGroup")
  }
}

function* specFaults(spec: PersistentVolumeClaimSpec): Faults {
  if (!spec.accessModes?.length) yield required('spec.accessModes', 'at least 1 access mode is required')
  yield* labelSelectorFaults('spec.selector', spec.selector)
  yield* accessModeFaults('spec.accessModes', spec.accessModes ?? [])
  const size = spec.resources?.requests?.storage
  if (size === undefined) yield required('spec.resources[storage]')
  else yield* storageSizeFaults('spec.resources[storage]', size)
  if (spec.storageClassName) yield* dnsSubdomainFaults('spec.storageClassName', spec.storageClassName)
  yield* volumeModeFaults('spec.volumeMode', spec.volumeMode)
  yield* dataSourceFaults('spec.dataSource', spec.dataSource)
  yield* dataSourceFaults('spec.dataSourceRef', spec.dataSourceRef)
  if (spec.volumeAttributesClassName) yield* dnsSubdomainFaults('spec.volumeAttributesClassName', spec.volumeAttributesClassName)
}

export const validateClaim = ({ spec }: PersistentVolumeClaim): FieldError[] => [...specFaults(spec)]

/** What of the previous spec may become another: the volume once, the class once, and of a bound claim its size. */
function allowedSpec(next: PersistentVolumeClaim, { spec, status }: PersistentVolumeClaim): PersistentVolumeClaimSpec {
  const allowed = deepCopy(spec)
  const give = <Field extends keyof PersistentVolumeClaimSpec>(field: Field): void => {
    if (next.spec[field] === undefined) delete allowed[field]
    else allowed[field] = next.spec[field]
  }
  if (!spec.volumeName) give('volumeName')
  if (spec.storageClassName === undefined) give('storageClassName')
  give('volumeAttributesClassName')
  if (status?.phase !== 'Bound') return allowed
  const storage = next.spec.resources?.requests?.storage
  if (allowed.resources?.requests && storage !== undefined) allowed.resources.requests.storage = storage
  return allowed
}

function* updateFaults(claim: PersistentVolumeClaim, previous: PersistentVolumeClaim): Faults {
  if (!deepEqual(claim.spec, allowedSpec(claim, previous))) {
    yield forbiddenField(
      'spec',
      'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims',
    )
  }
  const size = claim.spec.resources?.requests?.storage ?? '0'
  const before = previous.spec.resources?.requests?.storage ?? '0'
  const actual = claim.status?.capacity?.storage ?? '0'
  if (compareQuantities(size, before) < 0 && compareQuantities(size, actual) <= 0) {
    yield forbiddenField('spec.resources.requests.storage', 'field can not be less than status.capacity')
  }
  yield* immutableFaults('spec.volumeMode', claim.spec.volumeMode, previous.spec.volumeMode)
}

export const validateClaimUpdate = (claim: PersistentVolumeClaim, previous: PersistentVolumeClaim): FieldError[] => [
  ...updateFaults(claim, previous),
]

export function validateClaimStatusUpdate({ spec, status }: PersistentVolumeClaim): FieldError[] {
  if (!spec.accessModes?.length) return [required('spec.accessModes')]
  return Object.entries(status?.capacity ?? {})
    .filter(([, size]) => size.startsWith('-'))
    .map(([resource, size]) => invalidValue(`status.capacity[${resource}]`, size, 'must be greater than or equal to 0'))
}
