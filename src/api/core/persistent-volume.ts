import { ageColumn, column, nameColumn, wideColumn } from '../columns.ts'
import { defineKind } from '../define-kind.ts'
import type { PersistentVolume, PersistentVolumeSpec, Volume } from '../generated/types.ts'
import { accessModesText } from './access-modes.ts'
import { validateVolume, validateVolumeUpdate } from './persistent-volume-validation.ts'
import { classOf } from './storage-class-name.ts'
import { setVolumeDefaults } from './volume-defaults.ts'

function setPersistentVolumeDefaults(volume: PersistentVolume): void {
  volume.spec ??= {} as PersistentVolumeSpec
  volume.spec.persistentVolumeReclaimPolicy ||= 'Retain'
  volume.spec.volumeMode ??= 'Filesystem'
  // Sources that pods have as well get the same defaults.
  const { hostPath, iscsi, rbd, azureDisk, scaleIO } = volume.spec
  const sources = { hostPath, iscsi, rbd, azureDisk, scaleIO }
  if (Object.values(sources).some(Boolean)) setVolumeDefaults({ name: '', ...sources } as Volume)
  volume.status ??= {}
  volume.status.phase ||= 'Pending'
}

export const persistentVolumes = defineKind<PersistentVolume>({
  group: '',
  version: 'v1',
  kind: 'PersistentVolume',
  plural: 'persistentvolumes',
  namespaced: false,
  shortNames: ['pv'],
  hasStatus: true,
  newStatus: { phase: 'Pending' },
  columns: [
    nameColumn,
    column('Capacity', 'string', 'Its size.', ({ spec }) => spec.capacity?.storage ?? '0'),
    column('Access Modes', 'string', 'How it may be mounted.', ({ spec }) => accessModesText(spec.accessModes)),
    column(
      'Reclaim Policy',
      'string',
      'What becomes of it once its claim has gone.',
      ({ spec }) => spec.persistentVolumeReclaimPolicy ?? '',
    ),
    column('Status', 'string', 'Pending, Available, Bound, Released or Failed.', ({ metadata, status }) =>
      metadata.deletionTimestamp ? 'Terminating' : (status?.phase ?? ''),
    ),
    column('Claim', 'string', 'The claim that it is bound to.', ({ spec }) =>
      spec.claimRef ? `${spec.claimRef.namespace ?? ''}/${spec.claimRef.name ?? ''}` : '',
    ),
    column<PersistentVolume>('StorageClass', 'string', 'Its class of storage.', classOf),
    column('VolumeAttributesClass', 'string', 'Its class of attributes.', ({ spec }) => spec.volumeAttributesClassName ?? '<unset>'),
    column('Reason', 'string', 'Why it is in this state.', ({ status }) => status?.reason ?? ''),
    ageColumn,
    wideColumn('VolumeMode', 'string', 'Filesystem or Block.', ({ spec }) => spec.volumeMode ?? '<unset>'),
  ],
  setDefaults: setPersistentVolumeDefaults,
  validate: validateVolume,
  validateUpdate: validateVolumeUpdate,
})
