import { duplicate, forbiddenField, invalidValue, notSupported, required } from '../../machinery/field-error.ts'
import { dnsLabelFaults, type Faults, localPathFaults, noBackstepFaults, writtenPathFaults } from '../field-checks.ts'
import type { DownwardAPIVolumeFile, KeyToPath, ServiceAccountTokenProjection, Volume, VolumeProjection } from '../generated/types.ts'
import { isNegativeQuantity } from '../quantity-checks.ts'
import { fieldRefFaults, resourceRefFaults, volumeFields } from './env-validation.ts'

const hostPathTypes = ['', 'BlockDevice', 'CharDevice', 'Directory', 'DirectoryOrCreate', 'File', 'FileOrCreate', 'Socket']

function* modeFaults(path: string, mode: number | undefined): Faults {
  if (mode === undefined || (mode >= 0 && mode <= 0o777)) return
  yield invalidValue(path, mode, 'must be a number between 0 and 0777 (octal), both inclusive')
}

function* itemFaults(path: string, items: readonly KeyToPath[] = []): Faults {
  for (const [index, item] of items.entries()) {
    const at = `${path}.items[${index}]`
    if (!item.key) yield required(`${at}.key`)
    if (!item.path) yield required(`${at}.path`)
    yield* writtenPathFaults(`${at}.path`, item.path ?? '')
    yield* modeFaults(`${at}.mode`, item.mode)
  }
}

function* downwardFileFaults(path: string, file: DownwardAPIVolumeFile): Faults {
  if (!file.path) yield required(`${path}.path`)
  yield* writtenPathFaults(`${path}.path`, file.path ?? '')
  if (file.fieldRef) {
    yield* fieldRefFaults(`${path}.fieldRef`, file.fieldRef, volumeFields)
    if (file.resourceFieldRef) yield invalidValue(path, 'resource', 'fieldRef and resourceFieldRef can not be specified simultaneously')
  } else if (file.resourceFieldRef) yield* resourceRefFaults(`${path}.resourceFieldRef`, file.resourceFieldRef, 'named')
  else yield required(path, 'one of fieldRef and resourceFieldRef is required')
  yield* modeFaults(`${path}.mode`, file.mode)
}

function* downwardFilesFaults(path: string, files: readonly DownwardAPIVolumeFile[] = []): Faults {
  for (const [index, file] of files.entries()) yield* downwardFileFaults(`${path}[${index}]`, file)
}

function* tokenFaults(path: string, { expirationSeconds = 3600, path: file }: ServiceAccountTokenProjection): Faults {
  if (expirationSeconds < 600) {
    yield invalidValue(`${path}.expirationSeconds`, expirationSeconds, 'may not specify a duration less than 10 minutes')
  }
  if (expirationSeconds > 2 ** 32) {
    yield invalidValue(`${path}.expirationSeconds`, expirationSeconds, 'may not specify a duration larger than 2^32 seconds')
  }
  if (!file) yield required(`${path}.path`)
  else yield* writtenPathFaults(`${path}.path`, file)
}

function* projectionFaults(path: string, source: VolumeProjection): Faults {
  const given = Object.keys(source)
  for (const name of given.slice(1)) yield forbiddenField(`${path}.${name}`, 'may not specify more than 1 volume type per source')
  if (source.secret && !source.secret.name) yield required(`${path}.name`)
  if (source.configMap && !source.configMap.name) yield required(`${path}.name`)
  yield* itemFaults(`${path}.secret`, source.secret?.items)
  yield* itemFaults(`${path}.configMap`, source.configMap?.items)
  yield* downwardFilesFaults(`${path}.downwardAPI`, source.downwardAPI?.items)
  if (source.serviceAccountToken) yield* tokenFaults(`${path}.serviceAccountToken`, source.serviceAccountToken)
}

type Sources = { readonly [S in Exclude<keyof Volume, 'name'>]?: (path: string, source: NonNullable<Volume[S]>) => Faults }

/** The rules of each volume source that has any beyond its schema. */
const sourceRules: Sources = {
  *emptyDir(path, { sizeLimit }) {
    if (isNegativeQuantity(sizeLimit)) {
      yield forbiddenField(`${path}.sizeLimit`, 'SizeLimit field must be a valid resource quantity')
    }
  },
  *hostPath(path, { path: hostPath, type = '' }) {
    if (!hostPath) return yield required(`${path}.path`)
    yield* noBackstepFaults(`${path}.path`, hostPath)
    if (!hostPathTypes.includes(type)) yield notSupported(`${path}.type`, type, hostPathTypes)
  },
  *configMap(path, { name, defaultMode, items }) {
    if (!name) yield required(`${path}.name`)
    yield* modeFaults(`${path}.defaultMode`, defaultMode)
    yield* itemFaults(path, items)
  },
  *secret(path, { secretName, defaultMode, items }) {
    if (!secretName) yield required(`${path}.secretName`)
    yield* modeFaults(`${path}.defaultMode`, defaultMode)
    yield* itemFaults(path, items)
  },
  *downwardAPI(path, { defaultMode, items }) {
    yield* modeFaults(`${path}.defaultMode`, defaultMode)
    for (const [index, file] of (items ?? []).entries()) yield* downwardFileFaults(`${path}.items[${index}]`, file)
  },
  *projected(path, { defaultMode, sources = [] }) {
    yield* modeFaults(`${path}.defaultMode`, defaultMode)
    for (const [index, source] of sources.entries()) yield* projectionFaults(`${path}.sources[${index}]`, source)
  },
  *persistentVolumeClaim(path, { claimName }) {
    if (!claimName) yield required(`${path}.claimName`)
  },
  *nfs(path, { server, path: exported }) {
    if (!server) yield required(`${path}.server`)
    if (!exported) yield required(`${path}.path`)
    else if (!exported.startsWith('/')) yield invalidValue(`${path}.path`, exported, 'must be an absolute path')
  },
  *csi(path, { driver }) {
    if (!driver) yield required(`${path}.driver`)
  },
  *image(path, { reference, pullPolicy }) {
    if (!reference) yield required(`${path}.reference`)
    const policies = ['Always', 'IfNotPresent', 'Never']
    if (pullPolicy && !policies.includes(pullPolicy)) yield notSupported(`${path}.pullPolicy`, pullPolicy, policies)
  },
  *gitRepo(path, { repository, directory }) {
    if (!repository) yield required(`${path}.repository`)
    if (directory) yield* localPathFaults(`${path}.directory`, directory)
  },
}

function* sourceFaults(path: string, volume: Volume): Faults {
  const given = Object.keys(volume).filter((key) => key !== 'name') as Exclude<keyof Volume, 'name'>[]
  if (given.length === 0) yield required(path, 'must specify a volume type')
  for (const [position, name] of given.entries()) {
    if (position > 0) yield forbiddenField(`${path}.${name}`, 'may not specify more than 1 volume type')
    // The rule under a source's name takes that source: the table's type says so, entry by entry.
    else yield* (sourceRules[name] as ((path: string, source: unknown) => Faults) | undefined)?.(`${path}.${name}`, volume[name]) ?? []
  }
}

function* nameFaults(path: string, name: string, seen: ReadonlyMap<string, Volume>): Faults {
  if (!name) yield required(path)
  else yield* dnsLabelFaults(path, name)
  if (seen.has(name)) yield duplicate(path, name)
}

/** Finds the faults, and the sound volumes by name: mounts may refer to those only. */
export function checkVolumes(path: string, list: readonly Volume[]): { faults: Faults; volumes: ReadonlyMap<string, Volume> } {
  const volumes = new Map<string, Volume>()
  const faults = list.flatMap((volume, index) => {
    const at = `${path}[${index}]`
    const own = [...sourceFaults(at, volume), ...nameFaults(`${at}.name`, volume.name, volumes)]
    if (own.length === 0) volumes.set(volume.name, volume)
    return own
  })
  return { faults, volumes }
}
