import { ageColumn, column, nameColumn } from '../columns.ts'
import { setPodTemplateDefaults } from '../core/pod-defaults.ts'
import { defineKind } from '../define-kind.ts'
import type { Deployment, DeploymentSpec } from '../generated/types.ts'
import { validateDeployment, validateDeploymentStatus, validateDeploymentUpdate } from './deployment-validation.ts'
import { templateColumns } from './template-columns.ts'
import { namedPodsWarnings } from './workload-warnings.ts'

function setDeploymentDefaults(deployment: Deployment): void {
  deployment.spec ??= {} as DeploymentSpec // what it lacks, validation names
  const { spec } = deployment
  spec.template ??= {}
  spec.replicas ??= 1
  spec.strategy ??= {}
  spec.strategy.type ||= 'RollingUpdate'
  if (spec.strategy.type === 'RollingUpdate') {
    spec.strategy.rollingUpdate ??= {}
    spec.strategy.rollingUpdate.maxUnavailable ??= '25%'
    spec.strategy.rollingUpdate.maxSurge ??= '25%'
  }
  spec.revisionHistoryLimit ??= 10
  spec.progressDeadlineSeconds ??= 600
  setPodTemplateDefaults(spec.template)
}

export const deployments = defineKind<Deployment>({
  group: 'apps',
  version: 'v1',
  kind: 'Deployment',
  plural: 'deployments',
  namespaced: true,
  shortNames: ['deploy'],
  categories: ['all'],
  hasStatus: true,
  statusKeeps: ['labels'],
  scale: { specReplicas: '.spec.replicas', statusReplicas: '.status.replicas', selector: '.spec.selector' },
  countsGeneration: true,
  columns: [
    nameColumn,
    column('Ready', 'string', 'Ready pods of those wanted.', ({ spec, status }) => `${status?.readyReplicas ?? 0}/${spec.replicas ?? 1}`),
    column('Up-to-date', 'string', 'Pods made from the newest template.', ({ status }) => status?.updatedReplicas ?? 0),
    column('Available', 'string', 'Pods that have been ready long enough.', ({ status }) => status?.availableReplicas ?? 0),
    ageColumn,
    ...templateColumns<Deployment>(),
  ],
  setDefaults: setDeploymentDefaults,
  prepareForCreate: (deployment) => {
    deployment.status = {}
  },
  validate: validateDeployment,
  validateUpdate: validateDeploymentUpdate,
  validateStatusUpdate: validateDeploymentStatus,
  warnings: namedPodsWarnings,
})
