import { deepEqual } from '../../machinery/equality.ts'
import { podNameWarnings } from '../apps/workload-warnings.ts'
import { templateWarnings } from '../core/pod-warnings.ts'
import type { CronJob, Job, JobSpec } from '../generated/types.ts'

const tooManyToTrack =
  'In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, Kubernetes might not be able to track completedIndexes when a big number of indexes fail'

function specWarnings(path: string, { completionMode, completions = 0, parallelism = 0, template }: JobSpec): string[] {
  const isTooMany = completionMode === 'Indexed' && completions > 100_000 && parallelism > 10_000
  return [...(isTooMany ? [`${path}: ${tooManyToTrack}`] : []), ...templateWarnings(`${path}.template`, template)]
}

export const jobWarnings = (job: Job, previous: Job | undefined): string[] => [
  ...(previous ? [] : podNameWarnings(job)),
  ...(previous && deepEqual(job.spec, previous.spec) ? [] : specWarnings('spec', job.spec)),
]

export function cronJobWarnings(cronJob: CronJob, previous: CronJob | undefined): string[] {
  const job = cronJob.spec.jobTemplate?.spec
  const isSame = previous !== undefined && deepEqual(cronJob.spec, previous.spec)
  return [...(previous ? [] : podNameWarnings(cronJob)), ...(isSame || !job ? [] : specWarnings('spec.jobTemplate.spec', job))]
}
