import { type FieldError, forbiddenField, invalidValue, notSupported, required } from '../../machinery/field-error.ts'
import { countFaults, isZeroCount, notMoreThanAllFaults } from '../count-validation.ts'
import { type Faults, immutableFaults, nonNegativeFaults } from '../field-checks.ts'
import type { Deployment, DeploymentSpec, DeploymentStrategy } from '../generated/types.ts'
import { collisionFaults, partFaults, statusCountFaults } from './status-validation.ts'
import { replicatedFaults } from './template-validation.ts'

function* rollingUpdateFaults(path: string, { rollingUpdate = {} }: DeploymentStrategy): Faults {
  const { maxSurge, maxUnavailable } = rollingUpdate
  yield* countFaults(`${path}.maxUnavailable`, maxUnavailable)
  yield* countFaults(`${path}.maxSurge`, maxSurge)
  if (isZeroCount(maxUnavailable) && isZeroCount(maxSurge)) {
    yield invalidValue(`${path}.maxUnavailable`, maxUnavailable ?? 0, 'may not be 0 when `maxSurge` is 0')
  }
  yield* notMoreThanAllFaults(`${path}.maxUnavailable`, maxUnavailable)
}

function* strategyFaults(strategy: DeploymentStrategy): Faults {
  const { type, rollingUpdate } = strategy
  if (type === 'Recreate') {
    if (rollingUpdate) yield forbiddenField('spec.strategy.rollingUpdate', "may not be specified when strategy `type` is 'Recreate'")
  } else if (type !== 'RollingUpdate') yield notSupported('spec.strategy', strategy, ['Recreate', 'RollingUpdate'])
  else if (!rollingUpdate) yield required('spec.strategy.rollingUpdate', 'this should be defaulted and never be nil')
  else yield* rollingUpdateFaults('spec.strategy.rollingUpdate', strategy)
}

function* specFaults(spec: DeploymentSpec): Faults {
  yield* nonNegativeFaults('spec.replicas', spec.replicas)
  yield* replicatedFaults(spec.selector, spec.template)
  yield* strategyFaults(spec.strategy ?? {})
  yield* nonNegativeFaults('spec.minReadySeconds', spec.minReadySeconds)
  yield* nonNegativeFaults('spec.revisionHistoryLimit', spec.revisionHistoryLimit)
  const { progressDeadlineSeconds: deadline, minReadySeconds = 0 } = spec
  if (deadline === undefined) return
  yield* nonNegativeFaults('spec.progressDeadlineSeconds', deadline)
  if (deadline <= minReadySeconds) yield invalidValue('spec.progressDeadlineSeconds', deadline, 'must be greater than minReadySeconds')
}

export const validateDeployment = ({ spec }: Deployment): FieldError[] => [...specFaults(spec)]

export const validateDeploymentUpdate = ({ spec }: Deployment, previous: Deployment): FieldError[] => [
  ...immutableFaults('spec.selector', spec.selector, previous.spec.selector),
]

const counts = [
  'observedGeneration',
  'replicas',
  'updatedReplicas',
  'readyReplicas',
  'availableReplicas',
  'unavailableReplicas',
  'terminatingReplicas',
  'collisionCount',
]

export const validateDeploymentStatus = ({ status }: Deployment, previous: Deployment): FieldError[] => [
  ...statusCountFaults({ ...status }, counts),
  ...partFaults({ ...status }, ['updatedReplicas', 'readyReplicas', 'availableReplicas'], 'readyReplicas'),
  ...collisionFaults({ ...status }, { ...previous.status }),
]
