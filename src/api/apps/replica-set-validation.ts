import type { FieldError } from '../../machinery/field-error.ts'
import { immutableFaults, nonNegativeFaults } from '../field-checks.ts'
import type { ReplicaSet } from '../generated/types.ts'
import { selectorAndTemplateFaults } from './template-validation.ts'

export const validateReplicaSet = ({ spec }: ReplicaSet): FieldError[] => [
  ...nonNegativeFaults('spec.replicas', spec.replicas),
  ...nonNegativeFaults('spec.minReadySeconds', spec.minReadySeconds),
  ...selectorAndTemplateFaults(spec.selector, spec.template, 'deployment', 'ReplicaSet'),
]

export const validateReplicaSetUpdate = ({ spec }: ReplicaSet, previous: ReplicaSet): FieldError[] => [
  ...immutableFaults('spec.selector', spec.selector, previous.spec.selector),
]
