import { containerColumns, selectorText } from '../apps/template-columns.ts'
import { ageColumn, column, nameColumn, none, wideColumn } from '../columns.ts'
import { setPodTemplateDefaults } from '../core/pod-defaults.ts'
import { defineKind } from '../define-kind.ts'
import { humanDuration } from '../duration.ts'
import type { Job, JobSpec } from '../generated/types.ts'
import { validateJobStatus } from './job-status-validation.ts'
import { validateJobUpdate } from './job-update-validation.ts'
import { generatedLabels, validateJob } from './job-validation.ts'
import { jobWarnings } from './job-warnings.ts'

const uidLabel = 'batch.kubernetes.io/controller-uid'
/** With a limit for each index, the limit for all is beyond reach unless it is given. */
const noBackoffLimit = 2 ** 31 - 1

function setJobDefaults(job: Job): void {
  job.spec ??= {} as JobSpec // what it lacks, validation names
  const { spec } = job
  if (spec.completions === undefined && spec.parallelism === undefined) spec.completions = 1
  spec.parallelism ??= 1
  spec.backoffLimit ??= spec.backoffLimitPerIndex === undefined ? 6 : noBackoffLimit
  spec.template ??= {}
  const { labels } = spec.template.metadata ?? {}
  if (labels && !job.metadata.labels) job.metadata.labels = { ...labels }
  spec.completionMode ??= 'NonIndexed'
  spec.suspend ??= false
  spec.manualSelector ??= false
  spec.podReplacementPolicy ??= spec.podFailurePolicy ? 'Failed' : 'TerminatingOrFailed'
  for (const { onPodConditions } of spec.podFailurePolicy?.rules ?? []) for (const one of onPodConditions ?? []) one.status ||= 'True'
  setPodTemplateDefaults(spec.template)
}

/** Pods of a job are known by its uid, so that no two jobs ever share one. */
function generateSelector(job: Job): void {
  job.status = {}
  const { metadata, spec } = job
  if (spec.manualSelector) return
  // What a user says otherwise stays, and is refused.
  spec.template.metadata = { ...spec.template.metadata, labels: { ...generatedLabels(job), ...spec.template.metadata?.labels } }
  spec.selector = { ...spec.selector, matchLabels: { [uidLabel]: metadata.uid, ...spec.selector?.matchLabels } }
}

/** The first that holds says how the job stands. */
const states = [
  ['Complete', 'Complete'],
  ['Failed', 'Failed'],
  ['Suspended', 'Suspended'],
  ['FailureTarget', 'FailureTarget'],
  ['SuccessCriteriaMet', 'SuccessCriteriaMet'],
] as const

function stateText({ metadata, status }: Job): string {
  const holds = (type: string): boolean => status?.conditions?.some((one) => one.type === type && one.status === 'True') === true
  for (const [type, text] of states.slice(0, 2)) if (holds(type)) return text
  if (metadata.deletionTimestamp) return 'Terminating'
  return states.slice(2).find(([type]) => holds(type))?.[1] ?? 'Running'
}

function completionsText({ spec, status }: Job): string {
  const succeeded = status?.succeeded ?? 0
  if (spec.completions !== undefined) return `${succeeded}/${spec.completions}`
  const parallel = spec.parallelism ?? 0
  return parallel > 1 ? `${succeeded}/1 of ${parallel}` : `${succeeded}/1`
}

function durationText({ status }: Job, nowMs: number): string {
  if (!status?.startTime) return ''
  const endMs = status.completionTime ? Date.parse(status.completionTime) : nowMs
  return humanDuration(endMs - Date.parse(status.startTime))
}

export const jobs = defineKind<Job>({
  group: 'batch',
  version: 'v1',
  kind: 'Job',
  plural: 'jobs',
  namespaced: true,
  categories: ['all'],
  hasStatus: true,
  countsGeneration: true,
  orphansByDefault: true,
  columns: [
    nameColumn,
    column('Status', 'string', 'How the job stands.', stateText),
    column('Completions', 'string', 'Pods that have succeeded, of those that must.', completionsText),
    column('Duration', 'string', 'How long it has been running, or ran.', durationText),
    ageColumn,
    ...containerColumns<Job>(({ spec }) => spec.template),
    wideColumn('Selector', 'string', 'Labels of its pods.', ({ spec }) => (spec.selector ? selectorText(spec.selector) : none)),
  ],
  selectableFields: { 'status.successful': ({ status }) => String(status?.succeeded ?? 0) },
  unknownField: (field) => `field label ${JSON.stringify(field)} not supported for batchv1.Job`,
  setDefaults: setJobDefaults,
  prepareForCreate: generateSelector,
  validate: validateJob,
  validateUpdate: validateJobUpdate,
  validateStatusUpdate: validateJobStatus,
  warnings: jobWarnings,
})
