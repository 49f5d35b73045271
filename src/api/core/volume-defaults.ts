import type { Volume, VolumeProjection } from '../generated/types.ts'
import { defaultPullPolicy, setFieldRefDefaults } from './container-defaults.ts'

const fileMode = 0o644

function setProjectionDefaults(source: VolumeProjection): void {
  for (const file of source.downwardAPI?.items ?? []) setFieldRefDefaults(file.fieldRef)
  if (source.serviceAccountToken) source.serviceAccountToken.expirationSeconds ??= 3600
}

/** Sources that are backed by files the kubelet writes. */
function setWrittenVolumeDefaults(volume: Volume): void {
  if (volume.configMap) volume.configMap.defaultMode ??= fileMode
  if (volume.secret) volume.secret.defaultMode ??= fileMode
  if (volume.downwardAPI) {
    volume.downwardAPI.defaultMode ??= fileMode
    for (const file of volume.downwardAPI.items ?? []) setFieldRefDefaults(file.fieldRef)
  }
  if (volume.projected) {
    volume.projected.defaultMode ??= fileMode
    for (const source of volume.projected.sources ?? []) setProjectionDefaults(source)
  }
}

function setNetworkVolumeDefaults(volume: Volume): void {
  if (volume.iscsi) volume.iscsi.iscsiInterface ||= 'default'
  if (volume.rbd) {
    volume.rbd.pool ||= 'rbd'
    volume.rbd.user ||= 'admin'
    volume.rbd.keyring ||= '/etc/ceph/keyring'
  }
  if (volume.azureDisk) {
    volume.azureDisk.cachingMode ??= 'ReadWrite'
    volume.azureDisk.kind ??= 'Shared'
    volume.azureDisk.fsType ??= 'ext4'
    volume.azureDisk.readOnly ??= false
  }
  if (volume.scaleIO) {
    volume.scaleIO.storageMode ||= 'ThinProvisioned'
    volume.scaleIO.fsType ||= 'xfs'
  }
}

/** A volume of which only the name is given is an emptyDir. */
export function setVolumeDefaults(volume: Volume): void {
  if (Object.keys(volume).every((key) => key === 'name')) volume.emptyDir = {}
  if (volume.hostPath) volume.hostPath.type ??= ''
  if (volume.image) volume.image.pullPolicy ||= defaultPullPolicy(volume.image.reference ?? '')
  const claim = volume.ephemeral?.volumeClaimTemplate
  if (claim?.spec) claim.spec.volumeMode ??= 'Filesystem'
  setWrittenVolumeDefaults(volume)
  setNetworkVolumeDefaults(volume)
}
