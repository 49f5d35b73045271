import { deepEqual } from '../../machinery/equality.ts'
import { ageColumn, column, nameColumn, wideColumn } from '../columns.ts'
import { defineKind } from '../define-kind.ts'
import type { PersistentVolumeClaim } from '../generated/types.ts'
import { accessModesText } from './access-modes.ts'
import { alignDataSources, setClaimDefaults } from './persistent-volume-claim-defaults.ts'
import { validateClaim, validateClaimStatusUpdate, validateClaimUpdate } from './persistent-volume-claim-validation.ts'
import { claimWarnings } from './persistent-volume-claim-warnings.ts'
import { classOf } from './storage-class-name.ts'

const isBound = ({ spec }: PersistentVolumeClaim): boolean => Boolean(spec.volumeName)

export const persistentVolumeClaims = defineKind<PersistentVolumeClaim>({
  group: '',
  version: 'v1',
  kind: 'PersistentVolumeClaim',
  plural: 'persistentvolumeclaims',
  namespaced: true,
  shortNames: ['pvc'],
  hasStatus: true,
  columns: [
    nameColumn,
    column('Status', 'string', 'Pending, Bound or Lost.', ({ metadata, status }) =>
      metadata.deletionTimestamp ? 'Terminating' : (status?.phase ?? ''),
    ),
    column('Volume', 'string', 'The volume that it is bound to.', ({ spec }) => spec.volumeName ?? ''),
    column('Capacity', 'string', 'Size of that volume.', (claim) => (isBound(claim) ? (claim.status?.capacity?.storage ?? '0') : '')),
    column('Access Modes', 'string', 'How that volume may be mounted.', (claim) =>
      isBound(claim) ? accessModesText(claim.status?.accessModes) : '',
    ),
    column<PersistentVolumeClaim>('StorageClass', 'string', 'The class of storage it asks for.', classOf),
    column(
      'VolumeAttributesClass',
      'string',
      'The class of attributes it asks for.',
      ({ spec }) => spec.volumeAttributesClassName ?? '<unset>',
    ),
    ageColumn,
    wideColumn('VolumeMode', 'string', 'Filesystem or Block.', ({ spec }) => spec.volumeMode ?? '<unset>'),
  ],
  setDefaults: setClaimDefaults,
  prepareForCreate: (claim) => {
    claim.status = { phase: 'Pending' }
    alignDataSources(claim.spec)
  },
  prepareForUpdate: ({ spec }, previous) => {
    // A client that doesn't know the newer field leaves it out.
    const { dataSource, dataSourceRef } = previous.spec
    if (deepEqual(spec.dataSource, dataSource) && spec.dataSourceRef === undefined && dataSourceRef) spec.dataSourceRef = dataSourceRef
  },
  warnings: claimWarnings,
  validate: validateClaim,
  validateUpdate: validateClaimUpdate,
  validateStatusUpdate: validateClaimStatusUpdate,
})
