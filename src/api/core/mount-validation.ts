import { fieldNotFound, forbiddenField, invalidValue, notSupported, required } from '../../machinery/field-error.ts'
import { type Faults, localPathFaults } from '../field-checks.ts'
import type { Container, Volume, VolumeDevice, VolumeMount } from '../generated/types.ts'

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

function* subPathFaults(path: string, at: string, mount: VolumeMount, volume: Volume | undefined): Faults {
  for (const field of ['subPath', 'subPathExpr'] as const) {
    if (volume?.image && mount[field]) yield invalidValue(`${at}.${field}`, mount[field], 'not allowed in image volume sources')
  }
  if (mount.subPath) yield* localPathFaults(`${path}.subPath`, mount.subPath)
  if (!mount.subPathExpr) return
  if (mount.subPath) yield invalidValue(`${at}.subPathExpr`, mount.subPathExpr, 'subPathExpr and subPath are mutually exclusive')
  yield* localPathFaults(`${path}.subPathExpr`, mount.subPathExpr)
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
    yield* subPathFaults(path, at, mount, volumes.get(name))
    yield* propagationFaults(`${path}.mountPropagation`, mount, container)
    yield* recursionFaults(`${path}.recursiveReadOnly`, mount)
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

export function* deviceFaults(path: string, devices: readonly VolumeDevice[], volumes: Volumes): Faults {
  const names = new Set<string>()
  const paths = new Set<string>()
  for (const [index, { name, devicePath }] of devices.entries()) {
    const at = `${path}[${index}]`
    yield* deviceNameFaults(`${at}.name`, name, volumes, names)
    names.add(name)
    if (!devicePath) yield required(`${at}.devicePath`)
    else if (devicePath.split('/').includes('..')) {
      yield invalidValue(`${at}.devicePath`, devicePath, "can not contain backsteps ('..')")
    }
    if (paths.has(devicePath)) yield invalidValue(`${at}.devicePath`, devicePath, 'must be unique')
    paths.add(devicePath)
  }
}
