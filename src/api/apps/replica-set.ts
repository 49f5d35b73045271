import { ageColumn, column, nameColumn } from '../columns.ts'
import { setPodTemplateDefaults } from '../core/pod-defaults.ts'
import { defineKind } from '../define-kind.ts'
import type { ReplicaSet, ReplicaSetSpec } from '../generated/types.ts'
import { validateReplicaSet, validateReplicaSetStatus, validateReplicaSetUpdate } from './replica-set-validation.ts'
import { templateColumns } from './template-columns.ts'
import { namedPodsWarnings } from './workload-warnings.ts'

export const replicaSets = defineKind<ReplicaSet>({
  group: 'apps',
  version: 'v1',
  kind: 'ReplicaSet',
  plural: 'replicasets',
  namespaced: true,
  shortNames: ['rs'],
  categories: ['all'],
  hasStatus: true,
  scale: { specReplicas: '.spec.replicas', statusReplicas: '.status.replicas', selector: '.spec.selector' },
  countsGeneration: true,
  columns: [
    nameColumn,
    column('Desired', 'integer', 'Pods wanted.', ({ spec }) => spec.replicas ?? 1),
    column('Current', 'integer', 'Pods that exist.', ({ status }) => status?.replicas ?? 0),
    column('Ready', 'integer', 'Pods that are ready.', ({ status }) => status?.readyReplicas ?? 0),
    ageColumn,
    ...templateColumns<ReplicaSet>(),
  ],
  selectableFields: { 'status.replicas': ({ status }) => String(status?.replicas ?? 0) },
  setDefaults: (set) => {
    set.spec ??= {} as ReplicaSetSpec // what it lacks, validation names
    set.spec.replicas ??= 1
    set.spec.template ??= {}
    setPodTemplateDefaults(set.spec.template)
  },
  prepareForCreate: (set) => {
    set.status = { replicas: 0 }
  },
  validate: validateReplicaSet,
  validateUpdate: validateReplicaSetUpdate,
  validateStatusUpdate: validateReplicaSetStatus,
  warnings: namedPodsWarnings,
})
