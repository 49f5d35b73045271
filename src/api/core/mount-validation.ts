import { duplicate, fieldNotFound, forbiddenField, invalidValue, notSupported, required } from '../../machinery/field-error.ts'
import { type Faults, localPathFaults } from '../field-checks.ts'
import type { Container, Volume, VolumeMount } from '../generated/types.ts'

export type Volumes = ReadonlyMap<string, Volume>

const propagations = ['Bidirectional', 'HostToContainer', 'None']

function* propagationFaults(path: string, mount: VolumeMount, container: Container): Faults {
  const { mountPropagation: mode } = mount
  if (!mode) return
  if (!propagations.includes(mode)) yield notSupported(path, mode, propagations)
  if (mode === 'Bidirectional' && !container.securityContext?.privileged) {
    yield forbiddenField(path, 'Bidirectional mount propagation is available only to privileged containers')
  }
}

function* recursionFaults(path: string, mount: VolumeMount): Faults {
  const { recursiveReadOnly: mode, readOnly, mountPropagation } = mount
  if (!mode || mode === 'Disabled') return
  if (mode !== 'IfPossible' && mode !== 'Enabled') return yield notSupported(path, mode, ['Disabled', 'Enabled', 'IfPossible'])
  if (!readOnly) yield forbiddenField(path, 'may only be specified when readOnly is true')
  if (mountPropagation && mountPropagation !== 'None') {
    yield forbiddenField(path, 'may only be specified when mountPropagation is None or not specified')
  }
}

function* subPathFaults(path: string, at: string, mount: VolumeMount): Faults {
  if (mount.subPath) yield* localPathFaults(`${path}.subPath`, mount.subPath)
  if (!mount.subPathExpr) return
  if (mount.subPath) yield invalidValue(`${at}.subPathExpr`, mount.subPathExpr, 'subPathExpr and subPath are mutually exclusive')
  yield* localPathFaults(`${path}.subPathExpr`, mount.subPathExpr)
}

const bindMountOptions = ['nodev', 'noexec', 'nosuid']

function* bindOptionFaults(path: string, { bindMountOptions: given = [] }: VolumeMount, volume: Volume | undefined): Faults {
  for (const [index, option] of given.entries()) {
    if (!bindMountOptions.includes(option)) yield notSupported(`${path}[${index}]`, option, bindMountOptions)
    if (given.indexOf(option) < index) yield duplicate(`${path}[${index}]`, option)
  }
  if (given.length > 0 && volume?.image) yield invalidValue(path, given, 'bindMountOptions may not be used with image volumes')
}

export function* mountFaults(path: string, container: Container, volumes: Volumes): Faults {
  const devices = container.volumeDevices ?? []
  const paths = new Set<string>()
  for (const [index, mount] of (container.volumeMounts ?? []).entries()) {
    const at = `${path}[${index}]`
    const { name, mountPath } = mount
    if (!name) yield required(`${at}.name`)
    if (!volumes.has(name)) yield fieldNotFound(`${at}.name`, name ?? '')
    if (!mountPath) yield required(`${at}.mountPath`)
    if (paths.has(mountPath)) yield invalidValue(`${at}.mountPath`, mountPath, 'must be unique')
    paths.add(mountPath)
    if (devices.some((device) => device.name === name)) yield invalidValue(`${at}.name`, name, 'must not already exist in volumeDevices')
    if (devices.some((device) => device.devicePath === mountPath)) {
      yield invalidValue(`${at}.mountPath`, mountPath, 'must not already exist as a path in volumeDevices')
    }
    yield* subPathFaults(path, at, mount)
    yield* propagationFaults(`${path}.mountPropagation`, mount, container)
    yield* recursionFaults(`${path}.recursiveReadOnly`, mount)
    yield* bindOptionFaults(`${at}.bindMountOptions`, mount, volumes.get(name))
  }
}

function* deviceNameFaults(path: string, name: string, volumes: Volumes, seen: ReadonlySet<string>): Faults {
  if (!name) yield required(path)
  if (seen.has(name)) yield invalidValue(path, name, 'must be unique')
  const volume = volumes.get(name)
  if (!volume) yield fieldNotFound(path, name ?? '')
  else if (!volume.persistentVolumeClaim && !volume.ephemeral) {
    yield invalidValue(path, name, 'can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode')
  }
}

function* devicePathFaults(path: string, devicePath: string, seen: Set<string>): Faults {
  if (!devicePath) yield required(path)
  if (seen.has(devicePath)) yield invalidValue(path, devicePath, 'must be unique')
  if (devicePath?.split('/').includes('..')) yield invalidValue(path, devicePath, "can not contain backsteps ('..')")
  else seen.add(devicePath)
}

export function* deviceFaults(path: string, { volumeDevices = [], volumeMounts = [] }: Container, volumes: Volumes): Faults {
  const names = new Set<string>()
  const paths = new Set<string>()
  for (const [index, { name, devicePath }] of volumeDevices.entries()) {
    const at = `${path}[${index}]`
    yield* deviceNameFaults(`${at}.name`, name, volumes, names)
    yield* devicePathFaults(`${at}.devicePath`, devicePath, paths)
    if (volumeMounts.some((mount) => mount.name === name)) yield invalidValue(`${at}.name`, name, 'must not already exist in volumeMounts')
    if (volumeMounts.some((mount) => mount.mountPath === devicePath)) {
      yield invalidValue(`${at}.devicePath`, devicePath, 'must not already exist as a path in volumeMounts')
    }
    if (name) names.add(name)
  }
}
