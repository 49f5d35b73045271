import { type FieldError, invalidValue, notSupported, required } from '../../machinery/field-error.ts'
import { countFaults, isZeroCount, notMoreThanAllFaults } from '../count-validation.ts'
import { type Faults, immutableFaults, labelSelectorFaults, nonNegativeFaults } from '../field-checks.ts'
import type { DaemonSet, DaemonSetSpec, DaemonSetUpdateStrategy, RollingUpdateDaemonSet } from '../generated/types.ts'
import { collisionFaults, statusCountFaults } from './status-validation.ts'
import { isEmptySelector, lastingFaults, ownPodsFaults, templateFaults } from './template-validation.ts'

function* rollingUpdateFaults(path: string, { maxUnavailable, maxSurge }: RollingUpdateDaemonSet): Faults {
  yield* countFaults(`${path}.maxUnavailable`, maxUnavailable)
  yield* countFaults(`${path}.maxSurge`, maxSurge)
  yield* notMoreThanAllFaults(`${path}.maxUnavailable`, maxUnavailable)
  yield* notMoreThanAllFaults(`${path}.maxSurge`, maxSurge)
  const hasUnavailable = !isZeroCount(maxUnavailable)
  const hasSurge = !isZeroCount(maxSurge)
  if (hasUnavailable && hasSurge) yield invalidValue(`${path}.maxSurge`, maxSurge, 'may not be set when maxUnavailable is non-zero')
  if (!hasUnavailable && !hasSurge) yield required(`${path}.maxUnavailable`, 'cannot be 0 when maxSurge is 0')
}

function* strategyFaults(strategy: DaemonSetUpdateStrategy): Faults {
  const { type, rollingUpdate } = strategy
  if (type === 'OnDelete') return
  if (type !== 'RollingUpdate') yield notSupported('spec.updateStrategy', strategy, ['RollingUpdate', 'OnDelete'])
  else if (!rollingUpdate) yield required('spec.updateStrategy.rollingUpdate')
  else yield* rollingUpdateFaults('spec.updateStrategy.rollingUpdate', rollingUpdate)
}

function* specFaults(spec: DaemonSetSpec): Faults {
  const { selector, template } = spec
  yield* labelSelectorFaults('spec.selector', selector)
  yield* ownPodsFaults('spec.template', selector, template)
  if (selector && isEmptySelector(selector)) yield invalidValue('spec.selector', selector, 'empty selector is invalid for daemonset')
  yield* templateFaults('spec.template', template)
  yield* lastingFaults('spec.template', template, 'DaemonSet')
  yield* nonNegativeFaults('spec.minReadySeconds', spec.minReadySeconds)
  yield* strategyFaults(spec.updateStrategy ?? {})
  yield* nonNegativeFaults('spec.revisionHistoryLimit', spec.revisionHistoryLimit)
}

export const validateDaemonSet = ({ spec }: DaemonSet): FieldError[] => [...specFaults(spec)]

export const validateDaemonSetUpdate = ({ spec }: DaemonSet, previous: DaemonSet): FieldError[] => [
  ...immutableFaults('spec.selector', spec.selector, previous.spec.selector),
]

const counts = [
  'currentNumberScheduled',
  'numberMisscheduled',
  'desiredNumberScheduled',
  'numberReady',
  'observedGeneration',
  'updatedNumberScheduled',
  'numberAvailable',
  'numberUnavailable',
  'collisionCount',
]

export const validateDaemonSetStatus = ({ status }: DaemonSet, previous: DaemonSet): FieldError[] => [
  ...statusCountFaults({ ...status }, counts),
  ...collisionFaults({ ...status }, { ...previous.status }),
]
