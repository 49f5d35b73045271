import { type FieldError, required } from '../../machinery/field-error.ts'
import { column, nameColumn } from '../columns.ts'
import { defineKind } from '../define-kind.ts'
import { type Faults, immutableFaults } from '../field-checks.ts'
import type { StorageVersionMigration, StorageVersionMigrationSpec } from '../generated/types.ts'
import { allMetadata } from '../kind.ts'

function* migrationFaults({ spec }: StorageVersionMigration): Faults {
  if (!spec?.resource?.resource) yield required('spec.resource.resource')
}

export const storageVersionMigrations = defineKind<StorageVersionMigration>({
  group: 'storagemigration.k8s.io',
  version: 'v1',
  kind: 'StorageVersionMigration',
  plural: 'storageversionmigrations',
  namespaced: false,
  hasStatus: true,
  statusKeeps: allMetadata,
  columns: [
    nameColumn,
    column('Resource', 'string', 'Whose objects are rewritten.', ({ spec }) =>
      [spec?.resource?.resource, spec?.resource?.group].filter(Boolean).join('.'),
    ),
  ],
  setDefaults: (migration) => {
    migration.spec ??= {} as StorageVersionMigrationSpec
  },
  validate: (migration): FieldError[] => [...migrationFaults(migration)],
  validateUpdate: (migration, previous) => [...immutableFaults('spec', migration.spec, previous.spec)],
})
