import type { FieldError } from '../../machinery/field-error.ts'
import { immutableFaults, nonNegativeFaults } from '../field-checks.ts'
import type { ReplicaSet } from '../generated/types.ts'
import { partFaults, statusCountFaults } from './status-validation.ts'
import { replicatedFaults } from './template-validation.ts'

export const validateReplicaSet = ({ spec }: ReplicaSet): FieldError[] => [
  ...nonNegativeFaults('spec.replicas', spec.replicas),
  ...nonNegativeFaults('spec.minReadySeconds', spec.minReadySeconds),
  ...replicatedFaults(spec.selector, spec.template),
]

export const validateReplicaSetUpdate = ({ spec }: ReplicaSet, previous: ReplicaSet): FieldError[] => [
  ...immutableFaults('spec.selector', spec.selector, previous.spec.selector),
]

const parts = ['fullyLabeledReplicas', 'readyReplicas', 'availableReplicas']

export const validateReplicaSetStatus = ({ status = {} }: { status?: object }): FieldError[] => [
  ...statusCountFaults({ ...status }, ['replicas', ...parts, 'observedGeneration', 'terminatingReplicas']),
  ...partFaults({ ...status }, parts, 'readyReplicas'),
]
