import { ageColumn, column, labelsText, nameColumn } from '../columns.ts'
import { setPodTemplateDefaults } from '../core/pod-defaults.ts'
import { defineKind } from '../define-kind.ts'
import type { DaemonSet, DaemonSetSpec, DaemonSetStatus } from '../generated/types.ts'
import { validateDaemonSet, validateDaemonSetStatus, validateDaemonSetUpdate } from './daemon-set-validation.ts'
import { templateColumns } from './template-columns.ts'
import { madePodsWarnings } from './workload-warnings.ts'

function setDaemonSetDefaults(set: DaemonSet): void {
  set.spec ??= {} as DaemonSetSpec // what it lacks, validation names
  const { spec } = set
  spec.updateStrategy ??= {}
  spec.updateStrategy.type ||= 'RollingUpdate'
  if (spec.updateStrategy.type === 'RollingUpdate') {
    spec.updateStrategy.rollingUpdate ??= {}
    spec.updateStrategy.rollingUpdate.maxUnavailable ??= 1
    spec.updateStrategy.rollingUpdate.maxSurge ??= 0
  }
  spec.revisionHistoryLimit ??= 10
  spec.template ??= {}
  setPodTemplateDefaults(spec.template)
}

const count = (field: keyof DaemonSetStatus) => (set: DaemonSet) => (set.status?.[field] as number | undefined) ?? 0

export const daemonSets = defineKind<DaemonSet>({
  group: 'apps',
  version: 'v1',
  kind: 'DaemonSet',
  plural: 'daemonsets',
  namespaced: true,
  shortNames: ['ds'],
  categories: ['all'],
  hasStatus: true,
  newStatus: { currentNumberScheduled: 0, desiredNumberScheduled: 0, numberMisscheduled: 0, numberReady: 0 },
  countsGeneration: true,
  columns: [
    nameColumn,
    column('Desired', 'integer', 'Nodes that should run the pod.', count('desiredNumberScheduled')),
    column('Current', 'integer', 'Nodes that run the pod and should.', count('currentNumberScheduled')),
    column('Ready', 'integer', 'Nodes whose pod is ready.', count('numberReady')),
    column('Up-to-date', 'integer', 'Nodes that run the newest template.', count('updatedNumberScheduled')),
    column('Available', 'integer', 'Nodes whose pod has been ready long enough.', count('numberAvailable')),
    column('Node Selector', 'string', 'Labels of the nodes that are meant.', ({ spec }) => labelsText(spec.template?.spec?.nodeSelector)),
    ageColumn,
    ...templateColumns<DaemonSet>(),
  ],
  setDefaults: setDaemonSetDefaults,
  validate: validateDaemonSet,
  validateUpdate: validateDaemonSetUpdate,
  validateStatusUpdate: validateDaemonSetStatus,
  warnings: madePodsWarnings,
})
