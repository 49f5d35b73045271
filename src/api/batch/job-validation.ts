import { deepEqual } from '../../machinery/equality.ts'
import { type FieldError, invalidValue, notSupported, required, tooMany } from '../../machinery/field-error.ts'
import { labelSelectorMatcher } from '../../machinery/label-selector.ts'
import { templateFaults } from '../apps/template-validation.ts'
import {
  dnsLabelFaults,
  type Faults,
  immutableFaults,
  labelSelectorFaults,
  nonNegativeFaults,
  qualifiedNameFaults,
} from '../field-checks.ts'
import type { Job, JobSpec, PodFailurePolicy } from '../generated/types.ts'

const maxIndexed = 100_000
const maxRules = 20
const actions = ['Count', 'FailIndex', 'FailJob', 'Ignore']
const counts = [
  'parallelism',
  'completions',
  'activeDeadlineSeconds',
  'backoffLimit',
  'ttlSecondsAfterFinished',
  'backoffLimitPerIndex',
  'maxFailedIndexes',
] as const

function* indexedFaults(path: string, spec: JobSpec): Faults {
  const { completionMode: mode, completions, parallelism = 0 } = spec
  if (mode !== 'Indexed' && mode !== 'NonIndexed') yield notSupported(`${path}.completionMode`, mode ?? '', ['Indexed', 'NonIndexed'])
  if (mode === 'Indexed') {
    if (completions === undefined) yield required(`${path}.completions`, 'when completion mode is Indexed')
    if (parallelism > maxIndexed) {
      yield invalidValue(`${path}.parallelism`, parallelism, `must be less than or equal to ${maxIndexed} when completion mode is Indexed`)
    }
    return
  }
  if (spec.backoffLimitPerIndex !== undefined) {
    yield invalidValue(`${path}.backoffLimitPerIndex`, spec.backoffLimitPerIndex, 'requires indexed completion mode')
  }
  if (spec.maxFailedIndexes !== undefined) {
    yield invalidValue(`${path}.maxFailedIndexes`, spec.maxFailedIndexes, 'requires indexed completion mode')
  }
}

function* failurePolicyFaults(path: string, { rules = [] }: PodFailurePolicy): Faults {
  if (rules.length > maxRules) yield tooMany(`${path}.rules`, rules.length, maxRules)
  for (const [index, { action, onExitCodes, onPodConditions }] of rules.entries()) {
    const at = `${path}.rules[${index}]`
    if (!action) yield required(`${at}.action`, `valid values: ${actions.map((one) => JSON.stringify(one)).join(', ')}`)
    else if (!actions.includes(action)) yield notSupported(`${at}.action`, action, actions)
    if (onExitCodes && onPodConditions?.length) {
      yield invalidValue(at, null, 'specifying both OnExitCodes and OnPodConditions is not supported')
    }
    if (!onExitCodes && !onPodConditions?.length)
      yield invalidValue(at, null, 'specifying one of OnExitCodes and OnPodConditions is required')
    if (onExitCodes && onExitCodes.operator !== 'In' && onExitCodes.operator !== 'NotIn') {
      yield notSupported(`${at}.onExitCodes.operator`, onExitCodes.operator, ['In', 'NotIn'])
    }
    if (onExitCodes && !onExitCodes.values?.length)
      yield invalidValue(`${at}.onExitCodes.values`, onExitCodes.values, 'at least one value is required')
  }
}

/** What a job and a CronJob's template for jobs have in common: all but the selector. */
export function* jobSpecFaults(path: string, spec: JobSpec): Faults {
  for (const field of counts) yield* nonNegativeFaults(`${path}.${field}`, spec[field])
  if (spec.completionMode !== undefined) yield* indexedFaults(path, spec)
  if (spec.maxFailedIndexes !== undefined && spec.backoffLimitPerIndex === undefined) {
    yield required(`${path}.backoffLimitPerIndex`, 'when maxFailedIndexes is specified')
  }
  if (spec.managedBy !== undefined) yield* qualifiedNameFaults(`${path}.managedBy`, spec.managedBy)
  const policy = spec.podReplacementPolicy
  const policies = spec.podFailurePolicy ? ['Failed'] : ['Failed', 'TerminatingOrFailed']
  if (policy !== undefined && !policies.includes(policy)) yield notSupported(`${path}.podReplacementPolicy`, policy, policies)
  if (!spec.template) return yield required(`${path}.template`)
  yield* templateFaults(`${path}.template`, spec.template)
  const restart = spec.template.spec?.restartPolicy
  if (restart !== 'OnFailure' && restart !== 'Never') {
    yield required(`${path}.template.spec.restartPolicy`, 'valid values: "OnFailure", "Never"')
  } else if (spec.podFailurePolicy && restart !== 'Never') {
    yield invalidValue(`${path}.template.spec.restartPolicy`, restart, 'only "Never" is supported when podFailurePolicy is specified')
  }
  if (spec.podFailurePolicy) yield* failurePolicyFaults(`${path}.podFailurePolicy`, spec.podFailurePolicy)
}

function* jobFaults({ metadata, spec }: Job): Faults {
  if (!spec.selector) yield required('spec.selector')
  else {
    const own = [...labelSelectorFaults('spec.selector', spec.selector)]
    yield* own
    const labels = spec.template?.metadata?.labels
    if (own.length === 0 && !labelSelectorMatcher(spec.selector)(labels)) {
      yield invalidValue('spec.template.metadata.labels', labels, '`selector` does not match template `labels`')
    }
  }
  yield* jobSpecFaults('spec', spec)
  if (spec.completionMode !== 'Indexed' || !spec.completions) return
  // Each index becomes a pod's host name.
  const hostname = `${metadata.name}-${spec.completions - 1}`
  if ([...dnsLabelFaults('metadata.name', hostname)].length > 0) {
    yield invalidValue('metadata.name', metadata.name, `will not able to create pod with invalid DNS hostname: ${hostname}`)
  }
}

export const validateJob = (job: Job): FieldError[] => [...jobFaults(job)]

const immutable = ['selector', 'completionMode', 'podFailurePolicy', 'backoffLimitPerIndex', 'managedBy', 'successPolicy'] as const

/** An indexed job grows and shrinks only as a whole. */
function isResize(spec: JobSpec, previous: JobSpec): boolean {
  return spec.completionMode === 'Indexed' && previous.completions !== undefined && spec.completions === spec.parallelism
}

/** Where pods may go is open until the first one has started. */
function withoutPlacement(job: Job): unknown {
  const { nodeSelector: _n, tolerations: _t, affinity: _a, schedulingGates: _g, ...podSpec } = job.spec.template.spec ?? { containers: [] }
  const { labels: _l, annotations: _an, ...metadata } = job.spec.template.metadata ?? {}
  return { metadata, podSpec }
}

function* updateFaults(job: Job, previous: Job): Faults {
  if (!isResize(job.spec, previous.spec)) yield* immutableFaults('spec.completions', job.spec.completions, previous.spec.completions)
  for (const field of immutable) yield* immutableFaults(`spec.${field}`, job.spec[field], previous.spec[field])
  const notStarted = previous.spec.suspend === true && previous.status?.startTime === undefined
  if (notStarted && deepEqual(withoutPlacement(job), withoutPlacement(previous))) return
  yield* immutableFaults('spec.template', job.spec.template, previous.spec.template)
}

export const validateJobUpdate = (job: Job, previous: Job): FieldError[] => [...updateFaults(job, previous)]
