import { forbiddenField, invalidValue, notSupported, required, tooLong } from '../../machinery/field-error.ts'
import { dnsSubdomainFaults as dnsSubdomainMessages } from '../../machinery/names.ts'
import { dnsLabelFaults, type Faults, localPathFaults, noBackstepFaults, optionalChoiceFaults } from '../field-checks.ts'
import type {
  AzureDiskVolumeSource,
  FCVolumeSource,
  FlexPersistentVolumeSource,
  FlexVolumeSource,
  FlockerVolumeSource,
  HostPathVolumeSource,
  ISCSIPersistentVolumeSource,
  ISCSIVolumeSource,
  NFSVolumeSource,
  QuobyteVolumeSource,
  StorageOSPersistentVolumeSource,
  StorageOSVolumeSource,
} from '../generated/types.ts'

/** What every kind of volume must say: those of pods, and those of PersistentVolumes where the two are the same. */

export function* neededFaults(path: string, source: object, fields: readonly string[]): Faults {
  for (const field of fields) {
    const value = (source as Record<string, unknown>)[field]
    if (!value || (Array.isArray(value) && value.length === 0)) yield required(`${path}.${field}`)
  }
}

const needs =
  (...fields: string[]) =>
  (path: string, source: object): Faults =>
    neededFaults(path, source, fields)

const hostPathTypes = ['', 'BlockDevice', 'CharDevice', 'Directory', 'DirectoryOrCreate', 'File', 'FileOrCreate', 'Socket']

export function* hostPathFaults(path: string, { path: hostPath, type = '' }: HostPathVolumeSource): Faults {
  if (!hostPath) return yield required(`${path}.path`)
  yield* noBackstepFaults(`${path}.path`, hostPath)
  if (!hostPathTypes.includes(type)) yield notSupported(`${path}.type`, type, hostPathTypes)
}

export function* nfsFaults(path: string, source: NFSVolumeSource): Faults {
  yield* neededFaults(path, source, ['server', 'path'])
  if (!source.path?.startsWith('/')) yield invalidValue(`${path}.path`, source.path ?? '', 'must be an absolute path')
}

/** Disks of a cloud, whole or by partition. */
const diskFaults = (name: 'pdName' | 'volumeID') =>
  function* (path: string, source: { partition?: number }): Faults {
    yield* neededFaults(path, source, [name])
    const { partition = 0 } = source
    if (partition < 0 || partition > 255) yield invalidValue(`${path}.partition`, partition, 'must be between 1 and 255, inclusive')
  }

const initiatorNames = [
  ['iqn', /iqn\.\d{4}-\d{2}\.([A-Za-z0-9\-.]+)(:[^,;*&$|\s]+)$/],
  ['eui', /^eui.[A-Za-z0-9]{16}$/],
  ['naa', /^naa.[A-Za-z0-9]{32}$/],
] as const

export function* initiatorFaults(path: string, name: string, otherPrefix: string): Faults {
  const known = initiatorNames.find(([prefix]) => name.startsWith(prefix))
  if (!known) yield invalidValue(path, name, otherPrefix)
  else if (!known[1].test(name)) yield invalidValue(path, name, 'must be valid format')
}

function* lunFaults(path: string, lun: number): Faults {
  if (lun < 0 || lun > 255) yield invalidValue(path, lun, 'must be between 0 and 255, inclusive')
}

export function* iscsiSourceFaults(path: string, source: ISCSIVolumeSource | ISCSIPersistentVolumeSource, otherPrefix: string): Faults {
  if (!source.iqn) yield required(`${path}.iqn`)
  else yield* initiatorFaults(`${path}.iqn`, source.iqn, otherPrefix)
  yield* lunFaults(`${path}.lun`, source.lun ?? 0)
  if ((source.chapAuthDiscovery || source.chapAuthSession) && !source.secretRef) yield required(`${path}.secretRef`)
}

export const targetTooLong =
  'Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.'
export const isTargetTooLong = (
  volume: string,
  { initiatorName, targetPortal }: ISCSIVolumeSource | ISCSIPersistentVolumeSource,
): boolean => initiatorName !== undefined && `${volume}:${targetPortal}`.length > 64

/** Of a pod: `at` is the volume. */
export function* iscsiFaults(at: string, source: ISCSIVolumeSource, volumeName: string): Faults {
  const path = `${at}.iscsi`
  const otherPrefix = 'must be valid format starting with iqn, eui, or naa'
  if (!source.targetPortal) yield required(`${path}.targetPortal`)
  yield* iscsiSourceFaults(path, source, otherPrefix)
  if (source.initiatorName !== undefined) yield* initiatorFaults(`${path}.initiatorname`, source.initiatorName, otherPrefix)
  if (isTargetTooLong(volumeName, source)) yield invalidValue(`${at}.name`, volumeName, targetTooLong)
}

export function* fcFaults(path: string, { targetWWNs = [], wwids = [], lun }: FCVolumeSource): Faults {
  const at = `${path}.targetWWNs`
  if (targetWWNs.length + wwids.length === 0) yield required(at, 'must specify either targetWWNs or wwids, but not both')
  if (targetWWNs.length > 0 && wwids.length > 0) {
    yield invalidValue(at, targetWWNs, 'targetWWNs and wwids can not be specified simultaneously')
  }
  if (targetWWNs.length === 0) return
  if (lun === undefined) yield required(`${path}.lun`, 'lun is required if targetWWNs is specified')
  else yield* lunFaults(`${path}.lun`, lun)
}

export function* quobyteFaults(path: string, source: QuobyteVolumeSource): Faults {
  const pairs = 'must be a host:port pair or multiple pairs separated by commas'
  if (!source.registry) yield required(`${path}.registry`, pairs)
  else if ((source.tenant ?? '').length >= 65) {
    yield required(`${path}.tenant`, 'must be a UUID and may not exceed a length of 64 characters')
  } else {
    for (const pair of source.registry.split(',')) {
      if (!/^(\[[^\]]*\]|[^:[\]]*):[^:]*$/.test(pair)) yield invalidValue(`${path}.registry`, source.registry, pairs)
    }
  }
  yield* neededFaults(path, source, ['volume'])
}

export function* flockerFaults(path: string, { datasetName = '', datasetUUID = '' }: FlockerVolumeSource): Faults {
  if (!datasetName && !datasetUUID) yield required(path, 'one of datasetName and datasetUUID is required')
  if (datasetName && datasetUUID) {
    yield invalidValue(path, 'resource', 'datasetName and datasetUUID can not be specified simultaneously')
  }
  if (datasetName.includes('/')) yield invalidValue(`${path}.datasetName`, datasetName, "must not contain '/'")
}

export function* flexFaults(path: string, source: FlexVolumeSource | FlexPersistentVolumeSource): Faults {
  yield* neededFaults(path, source, ['driver'])
  for (const option of Object.keys(source.options ?? {})) {
    const domain = `.${option.split('/')[0]}`.toLowerCase()
    if (!domain.endsWith('.kubernetes.io') && !domain.endsWith('.k8s.io')) continue
    yield invalidValue(`${path}.options[${option}]`, option, 'kubernetes.io and k8s.io namespaces are reserved')
  }
}

const managedDisk = '/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}'
const blobDisk = 'https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd'

export function* azureDiskFaults(path: string, source: AzureDiskVolumeSource): Faults {
  const { cachingMode, kind, diskURI = '' } = source
  yield* neededFaults(path, source, ['diskName', 'diskURI'])
  yield* optionalChoiceFaults(`${path}.cachingMode`, cachingMode, ['None', 'ReadOnly', 'ReadWrite'])
  yield* optionalChoiceFaults(`${path}.kind`, kind, ['Dedicated', 'Managed', 'Shared'])
  if (kind === 'Managed' && !diskURI.startsWith('/subscriptions/')) yield notSupported(`${path}.diskURI`, diskURI, [managedDisk])
  if (kind && kind !== 'Managed' && !diskURI.startsWith('https://')) yield notSupported(`${path}.diskURI`, diskURI, [blobDisk])
}

export function* storageOsFaults(path: string, source: StorageOSVolumeSource | StorageOSPersistentVolumeSource): Faults {
  if (!source.volumeName) yield required(`${path}.volumeName`)
  else yield* dnsLabelFaults(`${path}.volumeName`, source.volumeName)
  if (source.volumeNamespace) yield* dnsLabelFaults(`${path}.volumeNamespace`, source.volumeNamespace)
  if (source.secretRef) yield* neededFaults(`${path}.secretRef`, source.secretRef, ['name'])
}

export function* csiDriverNameFaults(path: string, driver: string | undefined): Faults {
  if (!driver) return yield required(path)
  if (driver.length > 63) yield tooLong(path, 63)
  for (const message of dnsSubdomainMessages(driver.toLowerCase())) yield invalidValue(path, driver, message)
}

/** Sources that pods and PersistentVolumes have with the same rules; gcePersistentDisk is told of under an older name. */
export const sharedSourceRules = {
  glusterfs: needs('endpoints', 'path'),
  flocker: flockerFaults,
  rbd: needs('monitors', 'image'),
  cephfs: needs('monitors'),
  quobyte: quobyteFaults,
  fc: fcFaults,
  flexVolume: flexFaults,
  vsphereVolume: needs('volumePath'),
  photonPersistentDisk: needs('pdID'),
  portworxVolume: needs('volumeID'),
  azureDisk: azureDiskFaults,
  storageos: storageOsFaults,
  scaleIO: needs('gateway', 'system', 'volumeName'),
  nfs: nfsFaults,
  hostPath: hostPathFaults,
  awsElasticBlockStore: diskFaults('volumeID'),
  gcePersistentDisk: (path: string, source: { partition?: number }): Faults =>
    diskFaults('pdName')(path.replace(/gcePersistentDisk$/, 'persistentDisk'), source),
} as const

export function* gitRepoFaults(path: string, source: { repository: string; directory?: string }): Faults {
  yield* neededFaults(path, source, ['repository'])
  yield* localPathFaults(`${path}.directory`, source.directory ?? '')
}

/** Exactly one of `sources` may be given: each further one is refused, and only the first is looked into. */
export function* oneSourceFaults(
  at: string,
  given: readonly string[],
  rulesOf: (source: string, path: string) => Faults | undefined,
): Faults {
  for (const [position, source] of given.entries()) {
    if (position > 0) yield forbiddenField(`${at}.${source}`, 'may not specify more than 1 volume type')
    else yield* rulesOf(source, `${at}.${source}`) ?? []
  }
  if (given.length === 0) yield required(at, 'must specify a volume type')
}
