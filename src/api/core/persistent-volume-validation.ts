import { deepCopy, deepEqual } from '../../machinery/equality.ts'
import { type FieldError, forbiddenField, invalidValue, notSupported, required } from '../../machinery/field-error.ts'
import { jsonDifference } from '../../machinery/json-difference.ts'
import { dnsSubdomainFaults, type Faults, immutableFaults, optionalChoiceFaults } from '../field-checks.ts'
import type { NodeSelectorRequirement, PersistentVolume, PersistentVolumeSpec, VolumeNodeAffinity } from '../generated/types.ts'
import { isNegativeQuantity } from '../quantity-checks.ts'
import { accessModeFaults, storageSizeFaults, volumeModes } from './persistent-volume-claim-validation.ts'
import { persistentSourceRules, persistentSources } from './persistent-volume-sources.ts'
import { nodeSelectorFaults } from './scheduling-validation.ts'
import { oneSourceFaults } from './volume-sources.ts'

const reclaimPolicies = ['Delete', 'Recycle', 'Retain']

type Source = (typeof persistentSources)[number]

const sourcesOf = (spec: PersistentVolumeSpec): Source[] => persistentSources.filter((field) => spec[field] !== undefined)

function* capacityFaults(capacity: Readonly<Record<string, string>>): Faults {
  const resources = Object.keys(capacity)
  if (resources.length === 0) yield required('spec.capacity')
  if (capacity.storage === undefined || resources.length > 1) {
    yield notSupported('spec.capacity', resources.length > 0 ? capacity : undefined, ['storage'])
  }
  for (const [resource, size] of Object.entries(capacity)) {
    if (isNegativeQuantity(size)) yield invalidValue(`spec.capacity[${resource}]`, size, 'must be a valid resource quantity')
    yield* storageSizeFaults(`spec.capacity[${resource}]`, size)
  }
}

function* sourceFaults(spec: PersistentVolumeSpec, name: string): Faults {
  yield* oneSourceFaults('spec', sourcesOf(spec), (source, path) => {
    const rule = persistentSourceRules[source as Source] as (path: string, source: unknown, volumeName: string) => Faults
    return rule(path, spec[source as Source], name)
  })
  if (spec.local && !spec.nodeAffinity) yield required('spec.nodeAffinity', 'Local volume requires node affinity')
}

function* nodeAffinityFaults({ nodeAffinity }: PersistentVolumeSpec): Faults {
  if (!nodeAffinity) return
  if (nodeAffinity.required) yield* nodeSelectorFaults('spec.nodeAffinity.required', nodeAffinity.required)
  else yield required('spec.nodeAffinity.required', 'must specify required node constraints')
}

const isRoot = (path: string): boolean => path !== '' && path.split('/').every((part) => part === '' || part === '.')

function* attributesFaults({ volumeAttributesClassName: name, csi }: PersistentVolumeSpec): Faults {
  if (name === undefined) return
  if (name === '') yield required('spec.volumeAttributesClassName', 'an empty string is disallowed')
  else yield* dnsSubdomainFaults('spec.volumeAttributesClassName', name)
  if (!csi) yield required('spec.csi', 'has to be specified when using volumeAttributesClassName')
}

function* volumeFaults({ metadata, spec }: PersistentVolume): Faults {
  if (!spec.accessModes?.length) yield required('spec.accessModes')
  yield* accessModeFaults('spec.accessModes', spec.accessModes ?? [])
  yield* capacityFaults(spec.capacity ?? {})
  const policy = spec.persistentVolumeReclaimPolicy
  if (policy && !reclaimPolicies.includes(policy)) yield notSupported('spec.persistentVolumeReclaimPolicy', policy, reclaimPolicies)
  yield* nodeAffinityFaults(spec)
  yield* sourceFaults(spec, metadata.name)
  if (isRoot(spec.hostPath?.path ?? '') && policy === 'Recycle') {
    yield forbiddenField('spec.persistentVolumeReclaimPolicy', "may not be 'recycle' for a hostPath mount of '/'")
  }
  if (spec.storageClassName) yield* dnsSubdomainFaults('spec.storageClassName', spec.storageClassName)
  yield* optionalChoiceFaults('spec.volumeMode', spec.volumeMode, volumeModes)
  yield* attributesFaults(spec)
}

export const validateVolume = (volume: PersistentVolume): FieldError[] => [...volumeFaults(volume)]

const sourceOf = (spec: PersistentVolumeSpec): object => Object.fromEntries(sourcesOf(spec).map((field) => [field, spec[field]]))

/** The Secret for growing may be named later. */
function comparable(spec: PersistentVolumeSpec, before: PersistentVolumeSpec): object {
  const source = deepCopy(sourceOf(spec)) as Pick<PersistentVolumeSpec, 'csi'>
  if (before.csi && !before.csi.controllerExpandSecretRef) delete source.csi?.controllerExpandSecretRef
  return source
}

/** Labels of nodes that have got another name. */
const renamedLabels: Readonly<Record<string, string>> = {
  'failure-domain.beta.kubernetes.io/zone': 'topology.kubernetes.io/zone',
  'failure-domain.beta.kubernetes.io/region': 'topology.kubernetes.io/region',
  'beta.kubernetes.io/os': 'kubernetes.io/os',
  'beta.kubernetes.io/arch': 'kubernetes.io/arch',
  'beta.kubernetes.io/instance-type': 'node.kubernetes.io/instance-type',
}

/** `before` with each label's newer name where `now` has that. */
function renamed(before: VolumeNodeAffinity, now: VolumeNodeAffinity | undefined): VolumeNodeAffinity {
  const copy = deepCopy(before)
  for (const [index, { matchExpressions = [] }] of (copy.required?.nodeSelectorTerms ?? []).entries()) {
    for (const [position, expression] of matchExpressions.entries()) {
      const other: NodeSelectorRequirement | undefined = now?.required?.nodeSelectorTerms?.[index]?.matchExpressions?.[position]
      if (other && renamedLabels[expression.key] === other.key) expression.key = other.key
    }
  }
  return copy
}

function* updateFaults({ spec }: PersistentVolume, previous: PersistentVolume): Faults {
  const before = previous.spec
  const source = comparable(spec, before)
  if (!deepEqual(source, sourceOf(before))) {
    const difference = jsonDifference(sourceOf(before), source)
    yield forbiddenField('spec.persistentvolumesource', `spec.persistentvolumesource is immutable after creation\n${difference}`)
  }
  yield* immutableFaults('volumeMode', spec.volumeMode, before.volumeMode)
  if (before.nodeAffinity && !deepEqual(spec.nodeAffinity, renamed(before.nodeAffinity, spec.nodeAffinity))) {
    yield invalidValue('nodeAffinity', spec.nodeAffinity, 'field is immutable, except for updating from beta label to GA')
  }
  if (before.volumeAttributesClassName !== undefined && spec.volumeAttributesClassName === undefined) {
    yield forbiddenField('spec.volumeAttributesClassName', 'update from non-nil value to nil is forbidden')
  }
}

export const validateVolumeUpdate = (volume: PersistentVolume, previous: PersistentVolume): FieldError[] => [
  ...updateFaults(volume, previous),
]
