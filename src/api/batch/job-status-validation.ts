import { deepEqual } from '../../machinery/equality.ts'
import { duplicate, type FieldError, invalidAsSuch, invalidValue, required } from '../../machinery/field-error.ts'
import { type Faults, nonNegativeFaults } from '../field-checks.ts'
import type { Job, JobStatus } from '../generated/types.ts'
import { countIndexes, IndexesError, sharedIndex } from './indexes.ts'

const counts = ['active', 'succeeded', 'failed', 'ready', 'terminating'] as const

function holds(status: JobStatus, type: string): boolean {
  return status.conditions?.some((one) => one.type === type && one.status === 'True') === true
}
const isFinished = (status: JobStatus): boolean => holds(status, 'Complete') || holds(status, 'Failed')

const wrongConditions = (why: string): FieldError => invalidAsSuch('status.conditions', why)

/** A write of a job's status. Most rules ask only about what it changes: a status of before they were made may stay. */
interface Change {
  readonly job: Job
  readonly now: JobStatus
  readonly before: JobStatus
  /** Whether one of these fields or conditions differs. */
  changes(...names: readonly string[]): boolean
}

function changeOf(job: Job, previous: Job): Change {
  const now = job.status ?? {}
  const before = previous.status ?? {}
  const differs = (name: string): boolean => {
    if (name === 'Finished') return isFinished(now) !== isFinished(before)
    if (/^[A-Z]/.test(name)) return holds(now, name) !== holds(before, name)
    return !deepEqual(now[name as keyof JobStatus], before[name as keyof JobStatus])
  }
  return { job, now, before, changes: (...names) => names.some(differs) }
}

function* uncountedFaults({ uncountedTerminatedPods: pods = {} }: JobStatus): Faults {
  const seen = new Set<string>()
  for (const list of ['succeeded', 'failed'] as const) {
    for (const [index, uid] of (pods[list] ?? []).entries()) {
      const path = `status.uncountedTerminatedPods.${list}[${index}]`
      if (!uid) yield invalidValue(path, uid, 'must not be empty')
      else if (seen.has(uid)) yield duplicate(path, uid)
      seen.add(uid)
    }
  }
}

function* completionFaults({ now, changes }: Change): Faults {
  const { completionTime, startTime } = now
  const isComplete = holds(now, 'Complete')
  const path = 'status.completionTime'
  if (isComplete && holds(now, 'Failed') && changes('Complete', 'Failed')) {
    yield wrongConditions('cannot set Complete=True and Failed=true conditions')
  }
  if (isComplete && holds(now, 'FailureTarget') && changes('Complete', 'FailureTarget')) {
    yield wrongConditions('cannot set Complete=True and FailureTarget=true conditions')
  }
  if (completionTime && !isComplete && changes('Complete', 'completionTime')) {
    yield invalidValue(path, completionTime, 'cannot set completionTime when there is no Complete=True condition')
  }
  if (!completionTime && isComplete && changes('Complete', 'completionTime')) {
    yield required(path, 'completionTime is required for Complete jobs')
  }
  if (startTime && completionTime && Date.parse(completionTime) < Date.parse(startTime) && changes('startTime', 'completionTime')) {
    yield invalidValue(path, completionTime, 'must be equal to or after `startTime`')
  }
  if (holds(now, 'Failed') && !holds(now, 'FailureTarget') && changes('Failed', 'failedIndexes')) {
    yield wrongConditions('cannot set Failed=True condition without the FailureTarget=true condition')
  }
  if (isComplete && !holds(now, 'SuccessCriteriaMet') && changes('Complete', 'SuccessCriteriaMet')) {
    yield wrongConditions('cannot set Complete=True condition without the SuccessCriteriaMet=true condition')
  }
}

function* finishedFaults({ now, changes }: Change): Faults {
  if (!isFinished(now)) return
  const { active = 0, startTime, uncountedTerminatedPods: uncounted } = now
  if (active > 0 && changes('Finished', 'active')) yield invalidValue('status.active', active, 'active>0 is invalid for finished job')
  if (!startTime && changes('Finished', 'startTime')) yield required('status.startTime', 'startTime is required for finished job')
  if ((uncounted?.failed?.length || uncounted?.succeeded?.length) && changes('Finished', 'uncountedTerminatedPods')) {
    yield invalidValue('status.uncountedTerminatedPods', uncounted, 'must be empty for finished job')
  }
}

function* formatFaults(field: 'completedIndexes' | 'failedIndexes', { job: { spec }, now, changes }: Change): Faults {
  const text = now[field]
  if (text === undefined || spec.completions === undefined || !changes(field)) return
  if (field === 'failedIndexes' && spec.backoffLimitPerIndex === undefined) return
  try {
    countIndexes(text, spec.completions)
  } catch (error) {
    if (!(error instanceof IndexesError)) throw error
    yield invalidValue(`status.${field}`, text, `error parsing ${field}: ${error.message}`)
  }
}

function* indexesFaults(change: Change): Faults {
  const { job, now, changes } = change
  const { completedIndexes: completed, failedIndexes: failed } = now
  const { completions, completionMode, backoffLimitPerIndex } = job.spec
  yield* formatFaults('completedIndexes', change)
  yield* formatFaults('failedIndexes', change)
  if (completed && completionMode !== 'Indexed' && changes('completedIndexes')) {
    yield invalidValue('status.completedIndexes', completed, 'cannot set non-empty completedIndexes when non-indexed completion mode')
  }
  if (failed === undefined || !changes('completedIndexes', 'failedIndexes')) return
  if (backoffLimitPerIndex === undefined && changes('failedIndexes')) {
    yield invalidValue('status.failedIndexes', failed, 'cannot set non-null failedIndexes when backoffLimitPerIndex is null')
  }
  const shared = completions === undefined ? undefined : sharedIndex(completed ?? '', failed, completions)
  if (shared !== undefined)
    yield invalidValue('status.failedIndexes', failed, `failedIndexes and completedIndexes overlap at index: ${shared}`)
}

function* restFaults({ job, now, changes }: Change): Faults {
  const { terminating = 0, ready, active = 0 } = now
  if (terminating > 0 && isFinished(now) && changes('Finished', 'terminating')) {
    yield invalidValue('status.terminating', terminating, 'terminating>0 is invalid for finished job')
  }
  if (ready !== undefined && ready > active && changes('ready', 'active')) {
    yield invalidValue('status.ready', ready, 'cannot set more ready pods than active')
  }
  const isMet = holds(now, 'SuccessCriteriaMet')
  if (isMet && holds(now, 'Failed')) yield wrongConditions('cannot set SuccessCriteriaMet=True and Failed=true conditions')
  if (isMet && holds(now, 'FailureTarget')) yield wrongConditions('cannot set SuccessCriteriaMet=True and FailureTarget=true conditions')
  if (job.spec.successPolicy && !isMet && holds(now, 'Complete')) {
    yield wrongConditions('cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True')
  }
}

/** How a job ended stays so, and its counts only rise. */
function* lastingFaults({ job: { spec }, now, before }: Change): Faults {
  for (const type of ['Failed', 'Complete', 'FailureTarget']) {
    if (holds(before, type) && !holds(now, type)) yield wrongConditions(`cannot disable the terminal ${type}=True condition`)
  }
  if ((now.failed ?? 0) < (before.failed ?? 0)) yield invalidValue('status.failed', now.failed ?? 0, 'cannot decrease the failed counter')
  const mayShrink = spec.completionMode === 'Indexed' && spec.completions === spec.parallelism
  if (!mayShrink && (now.succeeded ?? 0) < (before.succeeded ?? 0)) {
    yield invalidValue('status.succeeded', now.succeeded ?? 0, 'cannot decrease the succeeded counter')
  }
  const { completionTime, startTime } = now
  if (completionTime && before.completionTime && completionTime !== before.completionTime) {
    yield invalidValue('status.completionTime', completionTime, 'field is immutable')
  }
  if (before.startTime && startTime !== before.startTime && !spec.suspend) {
    yield invalidValue('status.startTime', startTime, 'field is immutable for unsuspended job once set')
  }
  const [isMet, wasMet] = [holds(now, 'SuccessCriteriaMet'), holds(before, 'SuccessCriteriaMet')]
  if (wasMet && !isMet) yield wrongConditions('cannot disable the SuccessCriteriaMet=True condition')
  if (holds(before, 'Complete') && !wasMet && isMet) {
    yield wrongConditions('cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions')
  }
}

export function validateJobStatus(job: Job, previous: Job): FieldError[] {
  const change = changeOf(job, previous)
  return [
    ...counts.flatMap((field) => [...nonNegativeFaults(`status.${field}`, change.now[field])]),
    ...uncountedFaults(change.now),
    ...completionFaults(change),
    ...finishedFaults(change),
    ...indexesFaults(change),
    ...restFaults(change),
    ...lastingFaults(change),
  ]
}
