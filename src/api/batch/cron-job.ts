import { containerColumns, selectorText } from '../apps/template-columns.ts'
import { ageColumn, column, nameColumn, none, wideColumn } from '../columns.ts'
import { setPodTemplateDefaults } from '../core/pod-defaults.ts'
import { defineKind } from '../define-kind.ts'
import { timeSince } from '../duration.ts'
import type { CronJob, CronJobSpec, JobSpec } from '../generated/types.ts'
import { validateCronJob } from './cron-job-validation.ts'
import { cronJobWarnings } from './job-warnings.ts'

function setCronJobDefaults(cronJob: CronJob): void {
  cronJob.spec ??= {} as CronJobSpec // what it lacks, validation names
  const { spec } = cronJob
  spec.concurrencyPolicy ||= 'Allow'
  spec.suspend ??= false
  spec.successfulJobsHistoryLimit ??= 3
  spec.failedJobsHistoryLimit ??= 1
  // The job's own defaults wait until there is a job.
  spec.jobTemplate ??= {}
  spec.jobTemplate.metadata ??= {}
  spec.jobTemplate.spec ??= {} as JobSpec
  spec.jobTemplate.spec.template ??= {}
  setPodTemplateDefaults(spec.jobTemplate.spec.template)
}

function suspendText({ spec }: CronJob): string {
  return spec.suspend === undefined ? '<unset>' : spec.suspend ? 'True' : 'False'
}

export const cronJobs = defineKind<CronJob>({
  group: 'batch',
  version: 'v1',
  kind: 'CronJob',
  plural: 'cronjobs',
  namespaced: true,
  shortNames: ['cj'],
  categories: ['all'],
  hasStatus: true,
  countsGeneration: true,
  columns: [
    nameColumn,
    column('Schedule', 'string', 'When jobs start, in cron’s form.', ({ spec }) => spec.schedule ?? ''),
    column('Timezone', 'string', 'The time zone of the schedule.', ({ spec }) => spec.timeZone ?? none),
    column('Suspend', 'boolean', 'Whether no further job starts.', suspendText),
    column('Active', 'integer', 'Jobs that are running.', ({ status }) => status?.active?.length ?? 0),
    column('Last Schedule', 'string', 'Time since a job was last started.', ({ status }, nowMs) =>
      status?.lastScheduleTime ? timeSince(status.lastScheduleTime, nowMs) : none,
    ),
    ageColumn,
    ...containerColumns<CronJob>(({ spec }) => spec.jobTemplate?.spec?.template),
    wideColumn('Selector', 'string', 'Labels of its jobs’ pods.', ({ spec }) =>
      spec.jobTemplate?.spec?.selector ? selectorText(spec.jobTemplate.spec.selector) : none,
    ),
  ],
  setDefaults: setCronJobDefaults,
  validate: validateCronJob,
  warnings: cronJobWarnings,
})
