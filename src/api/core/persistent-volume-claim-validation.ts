import { deepCopy, deepEqual } from '../../machinery/equality.ts'
import { type FieldError, forbiddenField, invalidValue, notSupported, required } from '../../machinery/field-error.ts'
import { jsonDifference } from '../../machinery/json-difference.ts'
import {
  dnsLabelFaults,
  dnsSubdomainFaults,
  type Faults,
  immutableFaults,
  labelSelectorFaults,
  labelsFaults,
  optionalChoiceFaults,
  qualifiedNameFaults,
} from '../field-checks.ts'
import type {
  PersistentVolumeClaim,
  PersistentVolumeClaimSpec,
  PersistentVolumeClaimTemplate,
  TypedObjectReference,
} from '../generated/types.ts'
import { annotationFaults } from '../metadata-validation.ts'
import { compareQuantities, isNegativeQuantity, isPositiveQuantity } from '../quantity-checks.ts'
import { accessModes } from './access-modes.ts'
import { isNative } from './resource-names.ts'

export const volumeModes = ['Block', 'Filesystem']
/** How volumes said their class before there was a field for it. */
export const classAnnotation = 'volume.beta.kubernetes.io/storage-class'

export function* accessModeFaults(path: string, modes: readonly string[]): Faults {
  for (const mode of modes) if (!accessModes.includes(mode)) yield notSupported(path, mode, accessModes)
  const known = new Set(modes.filter((mode) => accessModes.includes(mode)))
  if (known.has('ReadWriteOncePod') && known.size > 1) {
    yield forbiddenField(path, 'may not use ReadWriteOncePod with other access modes')
  }
}

export function* storageSizeFaults(path: string, size: string): Faults {
  if (!isPositiveQuantity(size)) yield invalidValue(path, size, 'must be greater than zero')
}

function* dataSourceFaults(path: string, source: TypedObjectReference | undefined): Faults {
  if (!source) return
  if (!source.name) yield required(`${path}.name`)
  if (!source.kind) yield required(`${path}.kind`)
  if (!source.apiGroup && source.kind !== 'PersistentVolumeClaim') {
    yield invalidValue(path, source.kind ?? '', "must be 'PersistentVolumeClaim' when referencing the default apiGroup")
  }
  if (source.apiGroup) yield* dnsSubdomainFaults(`${path}.apiGroup`, source.apiGroup)
  if (source.namespace) yield* dnsLabelFaults(`${path}.namespace`, source.namespace)
}

/** Both say the same, but for a source in another namespace, which only the newer one can name. */
function* dataSourcesFaults(path: string, { dataSource, dataSourceRef }: PersistentVolumeClaimSpec): Faults {
  yield* dataSourceFaults(`${path}.dataSource`, dataSource)
  yield* dataSourceFaults(`${path}.dataSourceRef`, dataSourceRef)
  if (!dataSource || !dataSourceRef) return
  const isSame = (['apiGroup', 'kind', 'name'] as const).every((field) => dataSource[field] === dataSourceRef[field])
  if (dataSourceRef.namespace)
    yield invalidValue(path, `${path}.dataSource`, 'may not be specified when dataSourceRef.namespace is specified')
  else if (!isSame) yield invalidValue(path, `${path}.dataSource`, 'must match dataSourceRef')
}

function* specFaults(path: string, spec: PersistentVolumeClaimSpec): Faults {
  if (!spec.accessModes?.length) yield required(`${path}.accessModes`, 'at least 1 access mode is required')
  yield* labelSelectorFaults(`${path}.selector`, spec.selector)
  yield* accessModeFaults(`${path}.accessModes`, spec.accessModes ?? [])
  const size = spec.resources?.requests?.storage
  if (size === undefined) yield required(`${path}.resources[storage]`)
  else yield* storageSizeFaults(`${path}.resources[storage]`, size)
  if (spec.storageClassName) yield* dnsSubdomainFaults(`${path}.storageClassName`, spec.storageClassName)
  yield* optionalChoiceFaults(`${path}.volumeMode`, spec.volumeMode, volumeModes)
  yield* dataSourcesFaults(path, spec)
  if (spec.volumeAttributesClassName) yield* dnsSubdomainFaults(`${path}.volumeAttributesClassName`, spec.volumeAttributesClassName)
}

export const claimTemplateSpecFaults = specFaults

export const validateClaim = ({ spec }: PersistentVolumeClaim): FieldError[] => [...specFaults('spec', spec)]

/** Of a claim that is made for each pod: of its metadata, only labels and annotations are its own to choose. */
export function* claimTemplateFaults(path: string, { metadata = {}, spec }: PersistentVolumeClaimTemplate): Faults {
  const { annotations, labels, ...others } = metadata
  yield* annotationFaults(`${path}.metadata.annotations`, annotations)
  yield* labelsFaults(`${path}.metadata.labels`, labels)
  for (const [field, value] of Object.entries(others)) if (value) yield forbiddenField(`${path}.metadata.${field}`, 'cannot be set')
  yield* specFaults(`${path}.spec`, spec ?? {})
}

const annotatedClass = ({ metadata }: PersistentVolumeClaim): string => metadata.annotations?.[classAnnotation] ?? ''

/** A claim without a class may get one; if it had one in its annotation, that one. */
function mayGetClass({ spec }: PersistentVolumeClaim, previous: PersistentVolumeClaim): boolean {
  if (previous.spec.storageClassName !== undefined || spec.storageClassName === undefined) return false
  const before = previous.metadata.annotations?.[classAnnotation]
  return before === undefined || before === spec.storageClassName
}

/** What of the previous spec may become another: the volume once, the class once, and of a bound claim its size and attributes. */
function allowedSpec(next: PersistentVolumeClaim, previous: PersistentVolumeClaim): PersistentVolumeClaimSpec {
  const allowed = deepCopy(previous.spec)
  const give = <Field extends keyof PersistentVolumeClaimSpec>(field: Field): void => {
    if (next.spec[field] === undefined) delete allowed[field]
    else allowed[field] = next.spec[field]
  }
  if (!previous.spec.volumeName) give('volumeName')
  if (mayGetClass(next, previous)) give('storageClassName')
  if (next.status?.phase !== 'Bound') return allowed
  give('volumeAttributesClassName')
  const storage = next.spec.resources?.requests?.storage
  if (allowed.resources?.requests && storage !== undefined) allowed.resources.requests.storage = storage
  return allowed
}

const changeRule = 'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims'

function* attributesFaults({ spec }: PersistentVolumeClaim, { status }: PersistentVolumeClaim): Faults {
  if (status?.currentVolumeAttributesClassName === undefined || spec.volumeAttributesClassName) return
  const to = spec.volumeAttributesClassName === undefined ? 'nil' : 'empty string'
  yield forbiddenField(
    'spec.volumeAttributesClassName',
    `update to ${to} is forbidden when status.currentVolumeAttributesClassName is not nil`,
  )
}

function* updateFaults(claim: PersistentVolumeClaim, previous: PersistentVolumeClaim): Faults {
  const isUpgrade = mayGetClass(claim, previous) && annotatedClass(previous) === claim.spec.storageClassName && !annotatedClass(claim)
  if (!isUpgrade && annotatedClass(claim) !== annotatedClass(previous)) {
    yield invalidValue(`metadata.annotations.${classAnnotation}`, annotatedClass(claim), 'field is immutable')
  }
  const allowed = allowedSpec(claim, previous)
  // The difference from what was asked to what it might have been: what is allowed is left out.
  if (!deepEqual(claim.spec, allowed)) yield forbiddenField('spec', `${changeRule}\n${jsonDifference(allowed, claim.spec)}`)
  const size = claim.spec.resources?.requests?.storage ?? '0'
  const before = previous.spec.resources?.requests?.storage ?? '0'
  const actual = previous.status?.capacity?.storage ?? '0'
  if (compareQuantities(size, before) < 0 && compareQuantities(size, actual) <= 0) {
    yield forbiddenField('spec.resources.requests.storage', 'field can not be less than status.capacity')
  }
  yield* immutableFaults('volumeMode', claim.spec.volumeMode, previous.spec.volumeMode)
  if (claim.spec.volumeAttributesClassName !== previous.spec.volumeAttributesClassName) yield* attributesFaults(claim, previous)
}

export const validateClaimUpdate = (claim: PersistentVolumeClaim, previous: PersistentVolumeClaim): FieldError[] => [
  ...updateFaults(claim, previous),
]

const resizeStates = [
  'ControllerResizeInProgress',
  'ControllerResizeInfeasible',
  'NodeResizeInProgress',
  'NodeResizeInfeasible',
  'NodeResizePending',
].sort()

function* resourceKeyFaults(path: string, name: string): Faults {
  const own = qualifiedNameFaults(path, name)
  if (own.length > 0) yield* own
  else if (isNative(name) && name !== 'storage') yield notSupported(path, name, ['storage'])
}

function* statusFaults({ spec, status = {} }: PersistentVolumeClaim): Faults {
  if (!spec.accessModes?.length) yield required('Spec.accessModes')
  for (const [resource, size] of Object.entries(status.capacity ?? {})) {
    if (isNegativeQuantity(size)) yield invalidValue(`status.capacity[${resource}]`, size, 'must be a valid resource quantity')
  }
  for (const [resource, state] of Object.entries(status.allocatedResourceStatuses ?? {})) {
    yield* resourceKeyFaults('status.allocatedResourceStatuses', resource)
    if (!resizeStates.includes(state)) yield notSupported('status.allocatedResourceStatuses', resource, resizeStates)
  }
  for (const [resource, size] of Object.entries(status.allocatedResources ?? {})) {
    const own = [...resourceKeyFaults('status.allocatedResources', resource)]
    yield* own
    if (own.length === 0 && isNegativeQuantity(size)) {
      yield invalidValue(`status.allocatedResources[${resource}]`, size, 'must be a valid resource quantity')
    }
  }
}

export const validateClaimStatusUpdate = (claim: PersistentVolumeClaim): FieldError[] => [...statusFaults(claim)]
