import { deepEqual } from '../../machinery/equality.ts'
import { type FieldError, invalidValue, notSupported, required, tooLong } from '../../machinery/field-error.ts'
import { labelSelectorMatcher } from '../../machinery/label-selector.ts'
import { templateFaults } from '../apps/template-validation.ts'
import {
  dnsLabelFaults,
  domainPrefixedPathFaults,
  type Faults,
  immutableFaults,
  labelSelectorFaults,
  nonNegativeFaults,
} from '../field-checks.ts'
import type { Job, JobSpec } from '../generated/types.ts'
import { failurePolicyFaults, successPolicyFaults } from './job-policies-validation.ts'

const maxIndexed = 100_000
const maxManagerLength = 63
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
  if (mode !== 'Indexed' && mode !== 'NonIndexed') yield notSupported(`${path}.completionMode`, mode ?? '', ['NonIndexed', 'Indexed'])
  if (mode === 'Indexed') {
    if (completions === undefined) yield required(`${path}.completions`, 'when completion mode is Indexed')
    if (parallelism > maxIndexed) {
      yield invalidValue(`${path}.parallelism`, parallelism, `must be less than or equal to ${maxIndexed} when completion mode is Indexed`)
    }
    if (spec.maxFailedIndexes !== undefined && completions !== undefined && spec.maxFailedIndexes > completions) {
      yield invalidValue(`${path}.maxFailedIndexes`, spec.maxFailedIndexes, 'must be less than or equal to completions')
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

/** What a job and a CronJob's template for jobs have in common: all but the selector. */
export function* jobSpecFaults(path: string, spec: JobSpec): Faults {
  for (const field of counts) yield* nonNegativeFaults(`${path}.${field}`, spec[field])
  if (spec.maxFailedIndexes !== undefined && spec.backoffLimitPerIndex === undefined) {
    yield required(`${path}.backoffLimitPerIndex`, 'when maxFailedIndexes is specified')
  }
  if (spec.managedBy !== undefined) {
    yield* domainPrefixedPathFaults(`${path}.managedBy`, spec.managedBy)
    if (spec.managedBy.length > maxManagerLength) yield tooLong(`${path}.managedBy`, maxManagerLength)
  }
  if (spec.completionMode !== undefined) yield* indexedFaults(path, spec)
  yield* failurePolicyFaults(`${path}.podFailurePolicy`, spec)
  yield* successPolicyFaults(`${path}.successPolicy`, spec)
  const policy = spec.podReplacementPolicy
  const policies = spec.podFailurePolicy ? ['Failed'] : ['Failed', 'TerminatingOrFailed']
  if (policy !== undefined && !policies.includes(policy)) yield notSupported(`${path}.podReplacementPolicy`, policy, policies)
  if (!spec.template) return yield required(`${path}.template`)
  yield* templateFaults(`${path}.template`, spec.template)
  yield* restartFaults(`${path}.template.spec.restartPolicy`, spec)
}

/** Pods that start anew for ever never finish. */
function* restartFaults(path: string, { template, podFailurePolicy }: JobSpec): Faults {
  const policy = template.spec?.restartPolicy
  if (!policy || policy === 'Always') yield required(path, 'valid values: "OnFailure", "Never"')
  else if (policy !== 'OnFailure' && policy !== 'Never') yield notSupported(path, policy, ['OnFailure', 'Never'])
  else if (podFailurePolicy && policy !== 'Never') {
    yield invalidValue(path, policy, 'only "Never" is supported when podFailurePolicy is specified')
  }
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
    yield invalidValue('metadata.name', metadata.name, `will not able to create pod with invalid DNS label: ${hostname}`)
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
