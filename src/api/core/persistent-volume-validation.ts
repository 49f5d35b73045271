import { deepEqual } from '../../machinery/equality.ts'
import { type FieldError, forbiddenField, invalidValue, notSupported, required } from '../../machinery/field-error.ts'
import { dnsSubdomainFaults, type Faults, immutableFaults, noBackstepFaults } from '../field-checks.ts'
import type { PersistentVolume, PersistentVolumeSpec } from '../generated/types.ts'
import { accessModeFaults, storageSizeFaults, volumeModeFaults } from './persistent-volume-claim-validation.ts'

/** Fields of the spec that say where the bytes are: exactly one is set. In upstream's order. */
const sourceFields = [
  'hostPath',
  'gcePersistentDisk',
  'awsElasticBlockStore',
  'glusterfs',
  'flocker',
  'nfs',
  'rbd',
  'quobyte',
  'cephfs',
  'iscsi',
  'cinder',
  'fc',
  'flexVolume',
  'azureFile',
  'vsphereVolume',
  'photonPersistentDisk',
  'portworxVolume',
  'azureDisk',
  'scaleIO',
  'local',
  'storageos',
  'csi',
] as const

const reclaimPolicies = ['Delete', 'Recycle', 'Retain']

const sourceOf = (spec: PersistentVolumeSpec): object =>
  Object.fromEntries(sourceFields.filter((field) => spec[field] !== undefined).map((field) => [field, spec[field]]))

function* neededFaults(path: string, source: object | undefined, fields: readonly string[]): Faults {
  if (!source) return
  for (const field of fields) if (!(source as Record<string, unknown>)[field]) yield required(`${path}.${field}`)
}

function* sourceFaults(spec: PersistentVolumeSpec): Faults {
  const [, ...others] = Object.keys(sourceOf(spec))
  for (const field of others) yield forbiddenField(`spec.${field}`, 'may not specify more than 1 volume type')
  yield* neededFaults('spec.hostPath', spec.hostPath, ['path'])
  yield* noBackstepFaults('spec.hostPath.path', spec.hostPath?.path ?? '')
  yield* neededFaults('spec.nfs', spec.nfs, ['server', 'path'])
  if (spec.nfs?.path && !spec.nfs.path.startsWith('/')) yield invalidValue('spec.nfs.path', spec.nfs.path, 'must be an absolute path')
  yield* neededFaults('spec.local', spec.local, ['path'])
  if (spec.local) yield* noBackstepFaults('spec.local.path', spec.local.path ?? '')
  if (spec.local && !spec.nodeAffinity) yield required('metadata.annotations', 'Local volume requires node affinity')
  yield* neededFaults('spec.csi', spec.csi, ['driver', 'volumeHandle'])
  yield* neededFaults('spec.iscsi', spec.iscsi, ['targetPortal', 'iqn'])
  if (sourceFields.every((field) => spec[field] === undefined)) yield required('spec', 'must specify a volume type')
}

function* capacityFaults(capacity: Readonly<Record<string, string>>): Faults {
  const resources = Object.keys(capacity)
  if (resources.length === 0) yield required('spec.capacity')
  if (resources.length > 0 && (capacity.storage === undefined || resources.length > 1)) {
    yield notSupported('spec.capacity', capacity, ['storage'])
  }
  for (const [resource, size] of Object.entries(capacity)) yield* storageSizeFaults(`spec.capacity[${resource}]`, size)
}

function* specFaults(spec: PersistentVolumeSpec): Faults {
  if (!spec.accessModes?.length) yield required('spec.accessModes')
  yield* accessModeFaults('spec.accessModes', spec.accessModes ?? [])
  yield* capacityFaults(spec.capacity ?? {})
  const policy = spec.persistentVolumeReclaimPolicy
  if (policy && !reclaimPolicies.includes(policy)) yield notSupported('spec.persistentVolumeReclaimPolicy', policy, reclaimPolicies)
  if (spec.nodeAffinity && !spec.nodeAffinity.required) {
    yield required('spec.nodeAffinity.required', 'must specify required node constraints')
  }
  yield* sourceFaults(spec)
  if (spec.hostPath?.path === '/' && policy === 'Recycle') {
    yield forbiddenField('spec.persistentVolumeReclaimPolicy', "may not be 'recycle' for a hostPath mount of '/'")
  }
  if (spec.storageClassName) yield* dnsSubdomainFaults('spec.storageClassName', spec.storageClassName)
  yield* volumeModeFaults('spec.volumeMode', spec.volumeMode)
  if (spec.volumeAttributesClassName) yield* dnsSubdomainFaults('spec.volumeAttributesClassName', spec.volumeAttributesClassName)
}

export const validateVolume = ({ spec }: PersistentVolume): FieldError[] => [...specFaults(spec)]

function* updateFaults({ spec }: PersistentVolume, previous: PersistentVolume): Faults {
  if (!deepEqual(sourceOf(spec), sourceOf(previous.spec))) {
    yield forbiddenField('spec.persistentvolumesource', 'spec.persistentvolumesource is immutable after creation')
  }
  yield* immutableFaults('spec.volumeMode', spec.volumeMode, previous.spec.volumeMode)
  if (previous.spec.nodeAffinity) yield* immutableFaults('spec.nodeAffinity', spec.nodeAffinity, previous.spec.nodeAffinity)
}

export const validateVolumeUpdate = (volume: PersistentVolume, previous: PersistentVolume): FieldError[] => [
  ...updateFaults(volume, previous),
]
