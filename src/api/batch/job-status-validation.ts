import type { FieldError } from '../../machinery/field-error.ts'
import { invalidValue, required } from '../../machinery/field-error.ts'
import { type Faults, nonNegativeFaults } from '../field-checks.ts'
import type { Job } from '../generated/types.ts'

const counts = ['active', 'succeeded', 'failed', 'ready', 'terminating'] as const
/** States that a job cannot be in at once. */
const exclusive = [
  ['Complete', 'Failed', 'cannot set Complete=True and Failed=true conditions'],
  ['Complete', 'FailureTarget', 'cannot set Complete=True and FailureTarget=true conditions'],
  ['SuccessCriteriaMet', 'Failed', 'cannot set SuccessCriteriaMet=True and Failed=true conditions'],
  ['SuccessCriteriaMet', 'FailureTarget', 'cannot set SuccessCriteriaMet=True and FailureTarget=true conditions'],
] as const

function* statusFaults({ spec, status = {} }: Job, previous: Job): Faults {
  const holds = (type: string, of: Job['status'] = status): boolean =>
    of?.conditions?.some((one) => one.type === type && one.status === 'True') === true
  for (const field of counts) yield* nonNegativeFaults(`status.${field}`, status[field])
  for (const [one, other, why] of exclusive) {
    if (holds(one) && holds(other)) yield { field: 'status.conditions', reason: 'FieldValueInvalid', message: `Invalid value: ${why}` }
  }
  const complete = holds('Complete')
  const finished = complete || holds('Failed')
  if (status.completionTime && !complete) {
    yield invalidValue('status.completionTime', status.completionTime, 'cannot set completionTime when there is no Complete=True condition')
  }
  if (complete && !status.completionTime) yield required('status.completionTime', 'completionTime is required for Complete jobs')
  if (finished && !status.startTime) yield required('status.startTime', 'startTime is required for finished job')
  if (finished && (status.active ?? 0) > 0) yield invalidValue('status.active', status.active, 'active>0 is invalid for finished job')
  if ((status.ready ?? 0) > (status.active ?? 0)) yield invalidValue('status.ready', status.ready, 'cannot set more ready pods than active')
  if (status.completedIndexes && spec.completionMode !== 'Indexed') {
    yield invalidValue(
      'status.completedIndexes',
      status.completedIndexes,
      'cannot set non-empty completedIndexes when non-indexed completion mode',
    )
  }
  yield* lastingFaults(status, previous.status)
}

/** How a job ended stays so. */
function* lastingFaults(status: NonNullable<Job['status']>, previous: Job['status']): Faults {
  for (const type of ['Complete', 'Failed']) {
    const held = (of: Job['status']): boolean => of?.conditions?.some((one) => one.type === type && one.status === 'True') === true
    if (held(previous) && !held(status)) {
      yield {
        field: 'status.conditions',
        reason: 'FieldValueInvalid',
        message: `Invalid value: cannot disable the terminal ${type}=True condition`,
      }
    }
  }
}

export const validateJobStatus = (job: Job, previous: Job): FieldError[] => [...statusFaults(job, previous)]
