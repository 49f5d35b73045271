import { type FieldError, invalidValue, notSupported, required, tooLong } from '../../machinery/field-error.ts'
import { labelSelectorMatcher } from '../../machinery/label-selector.ts'
import { ownPodsFaults, templateFaults } from '../apps/template-validation.ts'
import { dnsLabelFaults, domainPrefixedPathFaults, type Faults, labelSelectorFaults, nonNegativeFaults } from '../field-checks.ts'
import type { Job, JobSpec } from '../generated/types.ts'
import { failurePolicyFaults, successPolicyFaults } from './job-policies-validation.ts'

const maxIndexed = 100_000
/** With a limit for each index, more than these would not fit the status. */
const maxOfMany = 10_000
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

function* limitFaults(path: string, value: number | undefined, most: number, when = ''): Faults {
  if (value !== undefined && value > most) yield invalidValue(path, value, `must be less than or equal to ${most}${when}`)
}

function* indexedFaults(path: string, { completions, parallelism, maxFailedIndexes: failures, backoffLimitPerIndex }: JobSpec): Faults {
  if (completions === undefined) yield required(`${path}.completions`, 'when completion mode is Indexed')
  yield* limitFaults(`${path}.parallelism`, parallelism, maxIndexed, ' when completion mode is Indexed')
  if (failures !== undefined && completions !== undefined && failures > completions) {
    yield invalidValue(`${path}.maxFailedIndexes`, failures, 'must be less than or equal to completions')
  }
  yield* limitFaults(`${path}.maxFailedIndexes`, failures, maxIndexed)
  if (completions === undefined || completions <= maxIndexed || backoffLimitPerIndex === undefined) return
  const when = ` when completions are above ${maxIndexed} and used with backoff limit per index`
  if (failures === undefined) yield required(`${path}.maxFailedIndexes`, `must be specified when completions is above ${maxIndexed}`)
  yield* limitFaults(`${path}.parallelism`, parallelism, maxOfMany, when)
  yield* limitFaults(`${path}.maxFailedIndexes`, failures, maxOfMany, when)
}

function* modeFaults(path: string, spec: JobSpec): Faults {
  const { completionMode: mode } = spec
  if (mode !== undefined && mode !== 'Indexed' && mode !== 'NonIndexed') {
    yield notSupported(`${path}.completionMode`, mode, ['NonIndexed', 'Indexed'])
  }
  if (mode === 'Indexed') return yield* indexedFaults(path, spec)
  if (mode !== undefined && mode !== 'NonIndexed') return
  for (const field of ['backoffLimitPerIndex', 'maxFailedIndexes'] as const) {
    if (spec[field] !== undefined) yield invalidValue(`${path}.${field}`, spec[field], 'requires indexed completion mode')
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
  yield* modeFaults(path, spec)
  yield* failurePolicyFaults(`${path}.podFailurePolicy`, spec)
  yield* successPolicyFaults(`${path}.successPolicy`, spec)
  const policy = spec.podReplacementPolicy
  const policies = spec.podFailurePolicy ? ['Failed'] : ['Failed', 'TerminatingOrFailed']
  if (policy !== undefined && !policies.includes(policy)) yield notSupported(`${path}.podReplacementPolicy`, policy, policies)
  yield* templateFaults(`${path}.template`, spec.template ?? {})
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

/** What a job's pods carry unless it chooses them itself, in the order in which faults are told. */
export const generatedLabels = ({ metadata: { uid, name } }: Job): Record<string, string> => ({
  'controller-uid': uid,
  'job-name': name,
  'batch.kubernetes.io/controller-uid': uid,
  'batch.kubernetes.io/job-name': name,
})

/** What was generated must not be told otherwise. */
function* generatedFaults(job: Job): Faults {
  const { selector, manualSelector, template } = job.spec
  if (manualSelector || !selector) return
  const wanted = generatedLabels(job)
  const labels = template?.metadata?.labels ?? {}
  for (const [key, value] of Object.entries(wanted)) {
    if (labels[key] === undefined) yield required(`spec.template.metadata.labels[${key}]`, `must be '${value}'`)
    else if (labels[key] !== value) yield invalidValue(`spec.template.metadata.labels[${key}]`, labels, `must be '${value}'`)
  }
  const isSound = [...labelSelectorFaults('', selector)].length === 0
  if (isSound && !labelSelectorMatcher(selector)(wanted)) yield invalidValue('spec.selector', selector, '`selector` not auto-generated')
}

function* jobFaults(job: Job): Faults {
  const { metadata, spec } = job
  yield* generatedFaults(job)
  yield* jobSpecFaults('spec', spec)
  if (!spec.selector) yield required('spec.selector')
  yield* labelSelectorFaults('spec.selector', spec.selector)
  yield* ownPodsFaults('spec.template', spec.selector, spec.template)
  if (spec.completionMode !== 'Indexed' || !spec.completions || spec.completions < 0) return
  // Each index becomes a pod's host name.
  const hostname = `${metadata.name}-${spec.completions - 1}`
  if ([...dnsLabelFaults('metadata.name', hostname)].length > 0) {
    yield invalidValue('metadata.name', metadata.name, `will not able to create pod with invalid DNS label: ${hostname}`)
  }
}

export const validateJob = (job: Job): FieldError[] => [...jobFaults(job)]
