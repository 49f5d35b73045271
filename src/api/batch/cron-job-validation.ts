import { type FieldError, invalidValue, notSupported, required, tooShort } from '../../machinery/field-error.ts'
import { choiceFaults, type Faults, nonNegativeFaults } from '../field-checks.ts'
import type { CronJob, CronJobSpec } from '../generated/types.ts'
import { CronError, parseCronSchedule } from './cron-schedule.ts'
import { jobSpecFaults } from './job-validation.ts'

/** A job's name is this and eleven characters for its time; pods add theirs. */
const maxNameLength = 52

/** A time zone before the fields, as the library that upstream reads them with allows it, and upstream does not. */
const withoutZone = (schedule: string): string => schedule.replace(/^(CRON_)?TZ=\S+ +/, '')

function* scheduleFaults({ schedule }: CronJobSpec): Faults {
  if (!schedule) return yield required('spec.schedule')
  try {
    parseCronSchedule(withoutZone(schedule))
  } catch (error) {
    if (!(error instanceof CronError)) throw error
    yield invalidValue('spec.schedule', schedule, error.message)
  }
  if (!schedule.includes('TZ')) return
  yield invalidValue('spec.schedule', schedule, 'cannot use TZ or CRON_TZ in schedule, use timeZone field instead')
}

function* timeZoneFaults(timeZone: string | undefined): Faults {
  if (timeZone === undefined) return
  const path = 'spec.timeZone'
  if (timeZone === '') return yield tooShort(path, 1)
  const isNamed = timeZone.split('/').every((part) => /^[A-Za-z._0-9+-]{1,14}$/.test(part) && !/^(\.\.?|-.*)$/.test(part))
  if (!isNamed) return yield invalidValue(path, timeZone, `unknown time zone ${timeZone}`)
  if (timeZone.toLowerCase() === 'local') {
    yield invalidValue(path, timeZone, 'timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones')
  }
  if (timeZone !== 'Local' && !isTimeZone(timeZone)) yield invalidValue(path, timeZone, `unknown time zone ${timeZone}`)
}

function isTimeZone(timeZone: string): boolean {
  if (/^[+-]/.test(timeZone)) return false
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
  yield* timeZoneFaults(spec.timeZone)
  yield* choiceFaults('spec.concurrencyPolicy', spec.concurrencyPolicy, ['Allow', 'Forbid', 'Replace'])
  const job = spec.jobTemplate?.spec
  const path = 'spec.jobTemplate.spec'
  if (job) yield* jobSpecFaults(path, job)
  if (job?.selector) yield invalidValue(`${path}.selector`, job.selector, '`selector` will be auto-generated')
  if (job?.manualSelector) yield notSupported(`${path}.manualSelector`, true, ['nil', 'false'])
  yield* nonNegativeFaults('spec.successfulJobsHistoryLimit', spec.successfulJobsHistoryLimit)
  yield* nonNegativeFaults('spec.failedJobsHistoryLimit', spec.failedJobsHistoryLimit)
  if (metadata.name && metadata.name.length > maxNameLength) {
    yield invalidValue('metadata.name', metadata.name, `must be no more than ${maxNameLength} characters`)
  }
}

export const validateCronJob = (cronJob: CronJob): FieldError[] => [...cronJobFaults(cronJob)]
