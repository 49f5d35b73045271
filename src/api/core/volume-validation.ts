import { duplicate, forbiddenField, invalidValue, required } from '../../machinery/field-error.ts'
import { dnsSubdomainFaults as dnsSubdomainMessages } from '../../machinery/names.ts'
import { choiceFaults, dnsLabelFaults, dnsSubdomainFaults, type Faults, userIdFaults } from '../field-checks.ts'
import type { Volume } from '../generated/types.ts'
import { isNegativeQuantity } from '../quantity-checks.ts'
import { claimTemplateFaults } from './persistent-volume-claim-validation.ts'
import { projectedFaults } from './projected-volume-validation.ts'
import { downwardFileFaults, itemsFaults, modeFaults } from './volume-file-validation.ts'
import { csiDriverNameFaults, gitRepoFaults, iscsiFaults, neededFaults, oneSourceFaults, sharedSourceRules } from './volume-sources.ts'

type Source = Exclude<keyof Volume, 'name'>
type Rules = { readonly [S in Source]: (path: string, source: NonNullable<Volume[S]>, volume: Volume) => Faults }

/** The rules of each source, in the order in which upstream looks for them: the first that is given is the volume's. */
const sourceRules: Rules = {
  *emptyDir(path, { sizeLimit }) {
    if (isNegativeQuantity(sizeLimit)) {
      yield forbiddenField(`${path}.sizeLimit`, 'SizeLimit field must be a valid resource quantity')
    }
  },
  hostPath: sharedSourceRules.hostPath,
  gitRepo: gitRepoFaults,
  gcePersistentDisk: sharedSourceRules.gcePersistentDisk,
  awsElasticBlockStore: sharedSourceRules.awsElasticBlockStore,
  *secret(path, source) {
    yield* neededFaults(path, source, ['secretName'])
    yield* modeFaults(`${path}.defaultMode`, source.defaultMode)
    yield* userIdFaults(`${path}.defaultUser`, source.defaultUser)
    yield* itemsFaults(`${path}.items`, source.items)
  },
  nfs: sharedSourceRules.nfs,
  iscsi: (path, source, { name }) => iscsiFaults(path.replace(/\.iscsi$/, ''), source, name),
  glusterfs: sharedSourceRules.glusterfs,
  flocker: sharedSourceRules.flocker,
  persistentVolumeClaim: (path, source) => neededFaults(path, source, ['claimName']),
  rbd: sharedSourceRules.rbd,
  *cinder(path, source) {
    yield* neededFaults(path, source, ['volumeID'])
    if (source.secretRef) yield* neededFaults(`${path}.secretRef`, source.secretRef, ['name'])
  },
  cephfs: sharedSourceRules.cephfs,
  quobyte: sharedSourceRules.quobyte,
  *downwardAPI(path, { defaultMode, defaultUser, items = [] }) {
    yield* modeFaults(`${path}.defaultMode`, defaultMode)
    yield* userIdFaults(`${path}.defaultUser`, defaultUser)
    for (const file of items) yield* downwardFileFaults(path, file)
  },
  fc: sharedSourceRules.fc,
  flexVolume: sharedSourceRules.flexVolume,
  *configMap(path, source) {
    yield* neededFaults(path, source, ['name'])
    yield* modeFaults(`${path}.defaultMode`, source.defaultMode)
    yield* userIdFaults(`${path}.defaultUser`, source.defaultUser)
    yield* itemsFaults(`${path}.items`, source.items)
  },
  azureFile: (path, source) => neededFaults(path, source, ['secretName', 'shareName']),
  vsphereVolume: sharedSourceRules.vsphereVolume,
  photonPersistentDisk: sharedSourceRules.photonPersistentDisk,
  portworxVolume: sharedSourceRules.portworxVolume,
  azureDisk: sharedSourceRules.azureDisk,
  storageos: sharedSourceRules.storageos,
  projected: projectedFaults,
  scaleIO: sharedSourceRules.scaleIO,
  *csi(path, { driver, nodePublishSecretRef: ref }) {
    yield* csiDriverNameFaults(`${path}.driver`, driver)
    if (!ref) return
    if (!ref.name) yield required(`${path}.nodePublishSecretRef.name`)
    else yield* dnsSubdomainFaults(`${path}.name`, ref.name)
  },
  *ephemeral(path, { volumeClaimTemplate }) {
    if (!volumeClaimTemplate) yield required(`${path}.volumeClaimTemplate`)
    else yield* claimTemplateFaults(`${path}.volumeClaimTemplate`, volumeClaimTemplate)
  },
  *image(path, source) {
    yield* neededFaults(path, source, ['reference'])
    yield* choiceFaults(`${path}.pullPolicy`, source.pullPolicy, ['Always', 'IfNotPresent', 'Never'])
  },
}

const order = Object.keys(sourceRules) as Source[]

function* sourceFaults(path: string, volume: Volume): Faults {
  const given = order.filter((source) => volume[source] !== undefined)
  yield* oneSourceFaults(path, given, (source, at) => {
    const rule = sourceRules[source as Source] as (at: string, source: unknown, volume: Volume) => Faults
    return rule(at, volume[source as Source], volume)
  })
}

/** A claim that is made for the pod is called after both. */
const claimName = (podName: string, { name }: Volume): string => `${podName}-${name}`

function* claimNameFaults(path: string, podName: string | undefined, volume: Volume): Faults {
  if (!podName || !volume.ephemeral || !volume.name) return
  const name = claimName(podName, volume)
  for (const message of dnsSubdomainMessages(name)) yield invalidValue(path, volume.name, `PVC name ${JSON.stringify(name)}: ${message}`)
}

function* nameFaults(path: string, name: string, seen: ReadonlyMap<string, Volume>): Faults {
  if (!name) yield required(path)
  else yield* dnsLabelFaults(path, name)
  if (seen.has(name)) yield duplicate(path, name)
}

/**
 * Finds the faults, and the sound volumes by name: mounts may refer to those only.
 * `podName` is undefined for templates, whose pods have names yet to come.
 */
export function checkVolumes(
  path: string,
  list: readonly Volume[],
  podName?: string,
): { faults: Faults; volumes: ReadonlyMap<string, Volume> } {
  const volumes = new Map<string, Volume>()
  const made = new Set(list.filter(({ ephemeral }) => podName && ephemeral).map((volume) => claimName(podName as string, volume)))
  const faults = list.flatMap((volume, index) => {
    const at = `${path}[${index}]`
    const own = [
      ...sourceFaults(at, volume),
      ...claimNameFaults(`${at}.name`, podName, volume),
      ...nameFaults(`${at}.name`, volume.name, volumes),
    ]
    if (own.length === 0) volumes.set(volume.name, volume)
    const claim = volume.persistentVolumeClaim?.claimName
    if (claim && made.has(claim)) {
      const why = 'must not reference a PVC that gets created for an ephemeral volume'
      own.push(invalidValue(`${at}.persistentVolumeClaim.claimName`, claim, why))
    }
    return own
  })
  return { faults, volumes }
}
