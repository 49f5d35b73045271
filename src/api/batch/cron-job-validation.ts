import { type FieldError, invalidValue, notSupported, required } from '../../machinery/field-error.ts'
import { type Faults, labelsFaults, nonNegativeFaults } from '../field-checks.ts'
import type { CronJob, CronJobSpec } from '../generated/types.ts'
import { CronError, parseCronSchedule } from './cron-schedule.ts'
import { jobSpecFaults } from './job-validation.ts'

/** A job's name is this and eleven characters for its time; pods add theirs. */
const maxNameLength = 52
const policies = ['Allow', 'Forbid', 'Replace']

function* scheduleFaults({ schedule, timeZone }: CronJobSpec): Faults {
  if (!schedule) return yield required('spec.schedule')
  if (schedule.includes('TZ')) {
    const why = timeZone
      ? 'cannot use both timeZone field and TZ or CRON_TZ in schedule'
      : 'cannot use TZ or CRON_TZ in schedule, use timeZone field instead'
    return yield invalidValue('spec.schedule', schedule, why)
  }
  try {
    parseCronSchedule(schedule)
  } catch (error) {
    if (!(error instanceof CronError)) throw error
    yield invalidValue('spec.schedule', schedule, error.message)
  }
}

function* timeZoneFaults(timeZone: string | undefined): Faults {
  if (timeZone === undefined) return
  if (timeZone === '') yield invalidValue('spec.timeZone', timeZone, 'timeZone must be nil or non-empty string')
  else if (timeZone.toLowerCase() === 'local') {
    yield invalidValue('spec.timeZone', timeZone, 'timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones')
  } else if (!isTimeZone(timeZone)) yield invalidValue('spec.timeZone', timeZone, `unknown time zone ${timeZone}`)
}

function isTimeZone(timeZone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone })
    return true
  } catch (error) {
    if (error instanceof RangeError) return false
    throw error
  }
}

function* cronJobFaults({ metadata, spec }: CronJob): Faults {
  yield* scheduleFaults(spec)
  yield* nonNegativeFaults('spec.startingDeadlineSeconds', spec.startingDeadlineSeconds)
  const policy = spec.concurrencyPolicy
  if (!policy) yield required('spec.concurrencyPolicy')
  else if (!policies.includes(policy)) yield notSupported('spec.concurrencyPolicy', policy, policies)
  yield* timeZoneFaults(spec.timeZone)
  yield* nonNegativeFaults('spec.successfulJobsHistoryLimit', spec.successfulJobsHistoryLimit)
  yield* nonNegativeFaults('spec.failedJobsHistoryLimit', spec.failedJobsHistoryLimit)
  yield* labelsFaults('spec.jobTemplate.metadata.labels', spec.jobTemplate?.metadata?.labels)
  const job = spec.jobTemplate?.spec
  if (job) yield* jobSpecFaults('spec.jobTemplate.spec', job)
  if (job?.manualSelector) yield notSupported('spec.jobTemplate.spec.manualSelector', true, ['nil', 'false'])
  if (metadata.name && metadata.name.length > maxNameLength) {
    yield invalidValue('metadata.name', metadata.name, `must be no more than ${maxNameLength} characters`)
  }
}

export const validateCronJob = (cronJob: CronJob): FieldError[] => [...cronJobFaults(cronJob)]
