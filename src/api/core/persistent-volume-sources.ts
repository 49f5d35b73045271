import { invalidValue, required } from '../../machinery/field-error.ts'
import { dnsLabelFaults, dnsSubdomainFaults, type Faults, noBackstepFaults } from '../field-checks.ts'
import type {
  CSIPersistentVolumeSource,
  GlusterfsPersistentVolumeSource,
  ISCSIPersistentVolumeSource,
  PersistentVolumeSpec,
  SecretReference,
} from '../generated/types.ts'
import {
  csiDriverNameFaults,
  initiatorFaults,
  iscsiSourceFaults,
  isTargetTooLong,
  neededFaults,
  sharedSourceRules,
  storageOsFaults,
  targetTooLong,
} from './volume-sources.ts'

function* persistentIscsiFaults(path: string, source: ISCSIPersistentVolumeSource, volumeName: string): Faults {
  if (!source.targetPortal) yield required(`${path}.targetPortal`)
  if (isTargetTooLong(volumeName, source)) yield invalidValue(`${path}.targetportal`, source.targetPortal, targetTooLong)
  yield* iscsiSourceFaults(path, source, 'must be valid format')
  if (source.secretRef) yield* neededFaults(`${path}.secretRef`, source.secretRef, ['name'])
  if (source.initiatorName !== undefined) yield* initiatorFaults(`${path}.initiatorname`, source.initiatorName, 'must be valid format')
}

function* secretRefFaults(path: string, ref: SecretReference | undefined): Faults {
  if (!ref) return
  if (!ref.name) yield required(`${path}.name`)
  else yield* dnsSubdomainFaults(`${path}.name`, ref.name)
  if (!ref.namespace) yield required(`${path}.namespace`)
  else yield* dnsLabelFaults(`${path}.namespace`, ref.namespace)
}

function* persistentCsiFaults(path: string, source: CSIPersistentVolumeSource): Faults {
  yield* csiDriverNameFaults(`${path}.driver`, source.driver)
  yield* neededFaults(path, source, ['volumeHandle'])
  for (const field of ['controllerPublishSecretRef', 'controllerExpandSecretRef', 'nodePublishSecretRef', 'nodeExpandSecretRef'] as const) {
    yield* secretRefFaults(`${path}.${field}`, source[field])
  }
}

function* persistentGlusterfsFaults(path: string, source: GlusterfsPersistentVolumeSource): Faults {
  yield* neededFaults(path, source, ['endpoints', 'path'])
  const { endpointsNamespace: namespace } = source
  if (namespace === '') {
    yield invalidValue(`${path}.endpointsNamespace`, namespace, 'if the endpointnamespace is set, it must be a valid namespace name')
  } else if (namespace !== undefined) yield* dnsLabelFaults(`${path}.endpointsNamespace`, namespace)
}

/** A Secret outside of the pod's namespace. */
function* foreignSecretFaults(path: string, ref: SecretReference | undefined): Faults {
  if (ref) yield* neededFaults(`${path}.secretRef`, ref, ['name', 'namespace'])
}

type PersistentSource = Exclude<
  keyof PersistentVolumeSpec,
  | 'accessModes'
  | 'capacity'
  | 'claimRef'
  | 'mountOptions'
  | 'nodeAffinity'
  | 'persistentVolumeReclaimPolicy'
  | 'storageClassName'
  | 'volumeAttributesClassName'
  | 'volumeMode'
>

/** Where the bytes of a PersistentVolume are: exactly one is set. In the order in which upstream looks. */
export const persistentSources: readonly PersistentSource[] = [
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
]

type PersistentRules = {
  readonly [S in PersistentSource]: (path: string, source: NonNullable<PersistentVolumeSpec[S]>, volumeName: string) => Faults
}

export const persistentSourceRules: PersistentRules = {
  ...sharedSourceRules,
  glusterfs: persistentGlusterfsFaults,
  iscsi: persistentIscsiFaults,
  csi: persistentCsiFaults,
  *cinder(path, source) {
    yield* neededFaults(path, source, ['volumeID'])
    yield* foreignSecretFaults(path, source.secretRef)
  },
  *azureFile(path, source) {
    yield* neededFaults(path, source, ['secretName', 'shareName'])
    if (source.secretNamespace === '') yield required(`${path}.secretNamespace`)
  },
  *storageos(path, source) {
    yield* storageOsFaults(path, source)
    if (source.secretRef) yield* neededFaults(`${path}.secretRef`, source.secretRef, ['namespace'])
  },
  *local(path, source) {
    if (!source.path) return yield required(`${path}.path`)
    yield* noBackstepFaults(`${path}.path`, source.path)
  },
}
