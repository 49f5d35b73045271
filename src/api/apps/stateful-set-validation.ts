import { deepEqual } from '../../machinery/equality.ts'
import { type FieldError, forbiddenField, invalidValue, notSupported, required } from '../../machinery/field-error.ts'
import { countFaults, isZeroCount, notMoreThanAllFaults } from '../count-validation.ts'
import { type Faults, nonNegativeFaults } from '../field-checks.ts'
import type { StatefulSet, StatefulSetSpec, StatefulSetUpdateStrategy } from '../generated/types.ts'
import { selectorAndTemplateFaults } from './template-validation.ts'

function* strategyFaults({ type, rollingUpdate }: StatefulSetUpdateStrategy): Faults {
  const path = 'spec.updateStrategy'
  if (type === 'OnDelete') {
    if (rollingUpdate) yield invalidValue(`${path}.rollingUpdate`, rollingUpdate, "only allowed for updateStrategy 'RollingUpdate'")
  } else if (type === 'RollingUpdate') {
    const { partition, maxUnavailable } = rollingUpdate ?? {}
    yield* nonNegativeFaults(`${path}.rollingUpdate.partition`, partition)
    if (maxUnavailable === undefined) return
    yield* countFaults(`${path}.rollingUpdate.maxUnavailable`, maxUnavailable)
    if (isZeroCount(maxUnavailable)) yield invalidValue(`${path}.rollingUpdate.maxUnavailable`, maxUnavailable, 'cannot be 0')
    yield* notMoreThanAllFaults(`${path}.rollingUpdate.maxUnavailable`, maxUnavailable)
  } else if (!type) yield required(path)
  else yield invalidValue(path, { type, ...(rollingUpdate ? { rollingUpdate } : {}) }, "must be 'RollingUpdate' or 'OnDelete'")
}

function* specFaults(spec: StatefulSetSpec): Faults {
  const policy = spec.podManagementPolicy
  if (!policy) yield required('spec.podManagementPolicy')
  else if (policy !== 'OrderedReady' && policy !== 'Parallel') {
    yield invalidValue('spec.podManagementPolicy', policy, "must be 'OrderedReady' or 'Parallel'")
  }
  yield* strategyFaults(spec.updateStrategy ?? {})
  for (const field of ['whenDeleted', 'whenScaled'] as const) {
    const value = spec.persistentVolumeClaimRetentionPolicy?.[field]
    if (value !== 'Retain' && value !== 'Delete') {
      yield notSupported(`spec.persistentVolumeClaimRetentionPolicy.${field}`, value ?? '', ['Delete', 'Retain'])
    }
  }
  yield* nonNegativeFaults('spec.replicas', spec.replicas)
  yield* nonNegativeFaults('spec.minReadySeconds', spec.minReadySeconds)
  yield* nonNegativeFaults('spec.ordinals.start', spec.ordinals?.start)
  yield* selectorAndTemplateFaults(spec.selector, spec.template, 'statefulset', 'StatefulSet')
}

export const validateStatefulSet = ({ spec }: StatefulSet): FieldError[] => [...specFaults(spec)]

/** All else would need the pods' names or volumes to change under them. */
const changeable = [
  'minReadySeconds',
  'ordinals',
  'persistentVolumeClaimRetentionPolicy',
  'replicas',
  'revisionHistoryLimit',
  'template',
  'updateStrategy',
]

function fixedPart(spec: StatefulSetSpec): object {
  return Object.fromEntries(Object.entries(spec).filter(([field]) => !changeable.includes(field)))
}

export function validateStatefulSetUpdate({ spec }: StatefulSet, previous: StatefulSet): FieldError[] {
  if (deepEqual(fixedPart(spec), fixedPart(previous.spec))) return []
  const fields = "'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy'"
  return [forbiddenField('spec', `updates to statefulset spec for fields other than ${fields} and 'minReadySeconds' are forbidden`)]
}
