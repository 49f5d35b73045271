import { ageColumn, column, nameColumn } from '../columns.ts'
import { setClaimDefaults } from '../core/persistent-volume-claim-defaults.ts'
import { setPodTemplateDefaults } from '../core/pod-defaults.ts'
import { defineKind } from '../define-kind.ts'
import type { StatefulSet, StatefulSetSpec } from '../generated/types.ts'
import { validateStatefulSet, validateStatefulSetUpdate } from './stateful-set-validation.ts'
import { containerColumns } from './template-columns.ts'

function setStatefulSetDefaults(set: StatefulSet): void {
  set.spec ??= {} as StatefulSetSpec // what it lacks, validation names
  const { spec } = set
  spec.podManagementPolicy ||= 'OrderedReady'
  spec.updateStrategy ??= {}
  spec.updateStrategy.type ||= 'RollingUpdate'
  if (spec.updateStrategy.type === 'RollingUpdate') {
    spec.updateStrategy.rollingUpdate ??= {}
    spec.updateStrategy.rollingUpdate.partition ??= 0
  }
  spec.persistentVolumeClaimRetentionPolicy ??= {}
  spec.persistentVolumeClaimRetentionPolicy.whenDeleted ||= 'Retain'
  spec.persistentVolumeClaimRetentionPolicy.whenScaled ||= 'Retain'
  spec.replicas ??= 1
  spec.revisionHistoryLimit ??= 10
  spec.template ??= {}
  setPodTemplateDefaults(spec.template)
  for (const claim of spec.volumeClaimTemplates ?? []) setClaimDefaults(claim)
}

export const statefulSets = defineKind<StatefulSet>({
  group: 'apps',
  version: 'v1',
  kind: 'StatefulSet',
  plural: 'statefulsets',
  namespaced: true,
  shortNames: ['sts'],
  categories: ['all'],
  hasStatus: true,
  newStatus: { replicas: 0, availableReplicas: 0 },
  scale: { specReplicas: '.spec.replicas', statusReplicas: '.status.replicas', selector: '.spec.selector' },
  countsGeneration: true,
  columns: [
    nameColumn,
    column('Ready', 'string', 'Ready pods of those wanted.', ({ spec, status }) => `${status?.readyReplicas ?? 0}/${spec.replicas ?? 1}`),
    ageColumn,
    ...containerColumns<StatefulSet>(({ spec }) => spec.template),
  ],
  setDefaults: setStatefulSetDefaults,
  validate: validateStatefulSet,
  validateUpdate: validateStatefulSetUpdate,
})
