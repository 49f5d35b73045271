import { validateReplicaSetStatus } from '../apps/replica-set-validation.ts'
import { containerColumns } from '../apps/template-columns.ts'
import { namedPodsWarnings } from '../apps/workload-warnings.ts'
import { ageColumn, column, labelsText, nameColumn, wideColumn } from '../columns.ts'
import { defineKind } from '../define-kind.ts'
import type { ReplicationController } from '../generated/types.ts'
import { setPodTemplateDefaults } from './pod-defaults.ts'
import { validateReplicationController } from './replication-controller-validation.ts'

function setReplicationControllerDefaults(controller: ReplicationController): void {
  controller.spec ??= {}
  const { spec, metadata } = controller
  const labels = spec.template?.metadata?.labels
  if (labels) {
    if (Object.keys(spec.selector ?? {}).length === 0) spec.selector = { ...labels }
    if (Object.keys(metadata.labels ?? {}).length === 0) metadata.labels = { ...labels }
  }
  spec.replicas ??= 1
  if (spec.template) setPodTemplateDefaults(spec.template)
}

export const replicationControllers = defineKind<ReplicationController>({
  group: '',
  version: 'v1',
  kind: 'ReplicationController',
  plural: 'replicationcontrollers',
  namespaced: true,
  shortNames: ['rc'],
  categories: ['all'],
  hasStatus: true,
  newStatus: { replicas: 0 },
  scale: { specReplicas: '.spec.replicas', statusReplicas: '.status.replicas', selector: '.spec.selector' },
  countsGeneration: true,
  orphansByDefault: true,
  columns: [
    nameColumn,
    column('Desired', 'integer', 'Pods wanted.', ({ spec }) => spec.replicas ?? 1),
    column('Current', 'integer', 'Pods that exist.', ({ status }) => status?.replicas ?? 0),
    column('Ready', 'integer', 'Pods that are ready.', ({ status }) => status?.readyReplicas ?? 0),
    ageColumn,
    ...containerColumns<ReplicationController>(({ spec }) => spec.template),
    wideColumn('Selector', 'string', 'Labels of the pods it manages.', ({ spec }) => labelsText(spec.selector)),
  ],
  selectableFields: { 'status.replicas': ({ status }) => String(status?.replicas ?? 0) },
  setDefaults: setReplicationControllerDefaults,
  validate: validateReplicationController,
  validateStatusUpdate: validateReplicaSetStatus,
  warnings: namedPodsWarnings,
})
