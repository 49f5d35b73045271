import { ageColumn, column, nameColumn } from '../columns.ts'
import { setClaimDefaults } from '../core/persistent-volume-claim-defaults.ts'
import { claimSpecWarnings } from '../core/persistent-volume-claim-warnings.ts'
import { setPodTemplateDefaults } from '../core/pod-defaults.ts'
import { defineKind } from '../define-kind.ts'
import type { StatefulSet, StatefulSetSpec } from '../generated/types.ts'
import { validateStatefulSet, validateStatefulSetStatus, validateStatefulSetUpdate } from './stateful-set-validation.ts'
import { containerColumns } from './template-columns.ts'
import { madePodsWarnings } from './workload-warnings.ts'

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

function warnings(set: StatefulSet, previous: StatefulSet | undefined): string[] {
  const { volumeClaimTemplates: claims = [], revisionHistoryLimit = 0 } = set.spec
  const where = previous ? '.Spec' : '' // sic
  const forEver = 'spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended'
  return [
    ...madePodsWarnings(set, previous),
    ...claims.flatMap(({ spec }, index) => [...claimSpecWarnings(`spec.volumeClaimTemplates[${index}]${where}`, spec ?? {})]),
    ...(revisionHistoryLimit < 0 ? [forEver] : []),
  ]
}

export const statefulSets = defineKind<StatefulSet>({
  group: 'apps',
  version: 'v1',
  kind: 'StatefulSet',
  plural: 'statefulsets',
  namespaced: true,
  nameRule: 'dns-label',
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
  validateStatusUpdate: validateStatefulSetStatus,
  warnings,
})
