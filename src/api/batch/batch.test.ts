import { describe, expect, test } from 'vitest'
import type { Job } from '../generated/types.ts'
import { type Case, changeFaults, created, faultsOf } from '../testing/kind-cases.ts'
import { cronJobs } from './cron-job.ts'
import { CronError, parseCronSchedule } from './cron-schedule.ts'
import { jobs } from './job.ts'

const template = { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'x' }] } }
const job = (spec: object): Record<string, unknown> => ({ spec: { template, ...spec } })

describe('a Job', () => {
  test('is filled in, and knows its pods by its uid', () => {
    const { spec, status } = created(jobs, job({}))
    const { template: made, ...rest } = spec
    expect(rest).toEqual({
      completions: 1,
      parallelism: 1,
      backoffLimit: 6,
      completionMode: 'NonIndexed',
      suspend: false,
      manualSelector: false,
      podReplacementPolicy: 'TerminatingOrFailed',
      selector: { matchLabels: { 'batch.kubernetes.io/controller-uid': 'u-1' } },
    })
    expect(made.metadata?.labels).toEqual({
      'batch.kubernetes.io/controller-uid': 'u-1',
      'batch.kubernetes.io/job-name': 'one',
      'controller-uid': 'u-1',
      'job-name': 'one',
    })
    expect(status).toEqual({})
  })

  test('of a work queue has no number of completions; a limit an index lifts the one for all', () => {
    expect(created(jobs, job({ parallelism: 3 })).spec.completions).toBeUndefined()
    const indexed = job({
      completionMode: 'Indexed',
      completions: 3,
      backoffLimitPerIndex: 1,
      podFailurePolicy: { rules: [{ action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget' }] }] },
    })
    const { spec } = created(jobs, indexed)
    expect([spec.backoffLimit, spec.podReplacementPolicy]).toEqual([2147483647, 'Failed'])
    expect(spec.podFailurePolicy?.rules[0]?.onPodConditions?.[0]?.status).toBe('True')
    expect(faultsOf(jobs, indexed)).toEqual([])
  })

  test.each<Case>([
    ['that is sound', job({}), []],
    ['of fewer than none', job({ parallelism: -1 }), ['spec.parallelism: Invalid value: -1: must be greater than or equal to 0']],
    [
      'whose pods start anew for ever',
      { spec: { template: { spec: { ...template.spec, restartPolicy: 'Always' } } } },
      ['spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'],
    ],
    [
      'by index without a number',
      job({ completionMode: 'Indexed', parallelism: 1 }),
      ['spec.completions: Required value: when completion mode is Indexed'],
    ],
    [
      'of an unknown mode',
      job({ completionMode: 'Random' }),
      ['spec.completionMode: Unsupported value: "Random": supported values: "NonIndexed", "Indexed"'],
    ],
    [
      'that limits what it has not',
      job({ backoffLimitPerIndex: 1 }),
      ['spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode'],
    ],
    [
      'with a selector of its own that finds other pods',
      job({ manualSelector: true, selector: { matchLabels: { a: 'b' } } }),
      ['spec.template.metadata.labels: Invalid value: null: `selector` does not match template `labels`'],
    ],
    [
      'whose pods’ host names would be too long',
      { ...job({ completionMode: 'Indexed', completions: 10 }), metadata: { name: 'a'.repeat(63) } },
      [`metadata.name: Invalid value: "${'a'.repeat(63)}": will not able to create pod with invalid DNS label: ${'a'.repeat(63)}-9`],
    ],
  ])('%s', (_, fields, faults) => {
    expect(faultsOf(jobs, fields)).toEqual(faults)
  })

  test('keeps what it has begun with', () => {
    expect(changeFaults(jobs, job({ completions: 1 }), job({ completions: 2 }))).toEqual([
      'spec.completions: Invalid value: 2: field is immutable',
    ])
    const indexed = { completionMode: 'Indexed' }
    expect(
      changeFaults(jobs, job({ ...indexed, completions: 2, parallelism: 2 }), job({ ...indexed, completions: 3, parallelism: 3 })),
    ).toEqual([])
    const elsewhere = { spec: { ...template.spec, nodeSelector: { a: 'b' } } }
    expect(changeFaults(jobs, job({ suspend: true }), job({ suspend: true, template: elsewhere }))).toEqual([])
    expect(changeFaults(jobs, job({}), job({ template: elsewhere }))).toEqual([
      expect.stringMatching(/^spec.template: Invalid value: .*: field is immutable$/),
    ])
  })
})

const cronJob = (spec: object): Record<string, unknown> => ({
  spec: { schedule: '* * * * *', jobTemplate: { spec: { template } }, ...spec },
})

describe('a CronJob', () => {
  test('is filled in', () => {
    const { jobTemplate: _, ...spec } = created(cronJobs, cronJob({})).spec
    expect(spec).toEqual({
      schedule: '* * * * *',
      concurrencyPolicy: 'Allow',
      suspend: false,
      successfulJobsHistoryLimit: 3,
      failedJobsHistoryLimit: 1,
    })
  })

  test.each<Case>([
    ['that is sound', cronJob({ timeZone: 'Europe/Berlin' }), []],
    ['without a schedule', cronJob({ schedule: '' }), ['spec.schedule: Required value']],
    [
      'with too short a schedule',
      cronJob({ schedule: '* * *' }),
      ['spec.schedule: Invalid value: "* * *": expected exactly 5 fields, found 3: [* * *]'],
    ],
    [
      'with a time zone in its schedule',
      cronJob({ schedule: 'TZ=UTC * * * * *' }),
      ['spec.schedule: Invalid value: "TZ=UTC * * * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field instead'],
    ],
    [
      'of no place',
      cronJob({ timeZone: 'Nowhere/Land' }),
      ['spec.timeZone: Invalid value: "Nowhere/Land": unknown time zone Nowhere/Land'],
    ],
    [
      'of an unknown policy',
      cronJob({ concurrencyPolicy: 'Maybe' }),
      ['spec.concurrencyPolicy: Unsupported value: "Maybe": supported values: "Allow", "Forbid", "Replace"'],
    ],
    [
      'with too long a name',
      { ...cronJob({}), metadata: { name: 'a'.repeat(53) } },
      [`metadata.name: Invalid value: "${'a'.repeat(53)}": must be no more than 52 characters`],
    ],
    [
      'whose jobs choose their pods',
      cronJob({ jobTemplate: { spec: { template, manualSelector: true } } }),
      ['spec.jobTemplate.spec.manualSelector: Unsupported value: true: supported values: "nil", "false"'],
    ],
  ])('%s', (_, fields, faults) => {
    expect(faultsOf(cronJobs, fields)).toEqual(faults)
  })
})

describe('policies of a Job', () => {
  const indexed = { completionMode: 'Indexed', completions: 5, backoffLimitPerIndex: 1 }
  const failing = (rule: object): Record<string, unknown> => job({ ...indexed, podFailurePolicy: { rules: [rule] } })
  const rule = 'spec.podFailurePolicy.rules[0]'
  const succeeding = (success: object): Record<string, unknown> => job({ ...indexed, successPolicy: { rules: [success] } })
  const success = 'spec.successPolicy.rules[0]'
  const codes = (onExitCodes: object): Record<string, unknown> =>
    failing({ action: 'FailJob', onExitCodes: { operator: 'In', values: [1], ...onExitCodes } })

  test.each<Case>([
    ['that are sound', codes({ containerName: 'c' }), []],
    [
      'of no action',
      failing({ onPodConditions: [{ type: 'Ready' }] }),
      [`${rule}.action: Required value: valid values: ["Count" "FailIndex" "FailJob" "Ignore"]`],
    ],
    [
      'on nothing',
      failing({ action: 'Ignore' }),
      [`${rule}: Invalid value: specifying one of OnExitCodes and OnPodConditions is required`],
    ],
    [
      'of another container',
      codes({ containerName: 'x' }),
      [`${rule}.onExitCodes.containerName: Invalid value: "x": must be one of the container or initContainer names in the pod template`],
    ],
    [
      'on success',
      codes({ values: [2, 0] }),
      [
        `${rule}.onExitCodes.values[1]: Invalid value: 0: must not be 0 for the In operator`,
        `${rule}.onExitCodes.values: Invalid value: [2,0]: must be ordered`,
      ],
    ],
    [
      'of success by nothing',
      succeeding({}),
      [`${success}: Required value: at least one of succeededCount or succeededIndexes must be specified`],
    ],
    ['of success by what there is', succeeding({ succeededIndexes: '0,2-4', succeededCount: 4 }), []],
    [
      'of success by more than there is',
      succeeding({ succeededIndexes: '0,2-3', succeededCount: 4 }),
      [
        `${success}.succeededCount: Invalid value: 4: must be less than or equal to 3 (the number of indexes in the specified succeededIndexes field)`,
      ],
    ],
    [
      'of success by an index too many',
      succeeding({ succeededIndexes: '7' }),
      [`${success}.succeededIndexes: Invalid value: "7": error parsing succeededIndexes: too large index: "7"`],
    ],
    [
      'of success of jobs without indexes',
      job({ successPolicy: { rules: [] } }),
      ['spec.successPolicy: Invalid value: {"rules":[]}: requires indexed completion mode'],
    ],
  ])('%s', (_, fields, faults) => {
    expect(faultsOf(jobs, fields)).toEqual(faults)
  })
})

describe('the status of a Job', () => {
  const ended = (status: object): Job => ({ ...created(jobs, job({})), status: { startTime: '2026-03-01T12:00:00Z', ...status } })
  const faults = (now: object, before: object = {}): string[] =>
    jobs.validateStatusUpdate(ended(now), ended(before), 'status').map(({ field, message }) => `${field}: ${message}`)
  const is = (...types: string[]): object => ({ conditions: types.map((type) => ({ type, status: 'True' })) })
  const done = { completionTime: '2026-03-01T12:01:00Z' }

  test('is one that can be', () => {
    expect(faults({ ...is('SuccessCriteriaMet', 'Complete'), ...done })).toEqual([])
    expect(faults(is('Complete'))).toEqual(['status.completionTime: Required value: completionTime is required for Complete jobs'])
    expect(faults({ ...is('Complete', 'Failed'), ...done })).toEqual([
      'status.conditions: Invalid value: cannot set Complete=True and Failed=true conditions',
    ])
    expect(faults({ active: 1, ready: 2 })).toEqual(['status.ready: Invalid value: 2: cannot set more ready pods than active'])
  })

  test('once it has ended stays so', () => {
    expect(faults({}, { ...is('Complete'), ...done })).toEqual([
      'status.conditions: Invalid value: cannot disable the terminal Complete=True condition',
    ])
  })
})

describe('a schedule', () => {
  test('is a set of numbers a field', () => {
    const { minutes, hours, daysOfMonth, months, daysOfWeek, anyDayOfMonth, anyDayOfWeek } =
      parseCronSchedule('*/20,5 8-10 10/10 jan,MAR mon-wed')
    expect([minutes, hours, daysOfMonth, months, daysOfWeek].map((set) => [...set])).toEqual([
      [0, 20, 40, 5],
      [8, 9, 10],
      [10, 20, 30],
      [1, 3],
      [1, 2, 3],
    ])
    expect([anyDayOfMonth, anyDayOfWeek]).toEqual([false, false])
    expect([...parseCronSchedule('@weekly').daysOfWeek]).toEqual([0])
  })

  test.each([
    ['60 * * * *', 'end of range (60) above maximum (59): 60'],
    ['* * 0 * *', 'beginning of range (0) below minimum (1): 0'],
    ['5-1 * * * *', 'beginning of range (5) beyond end of range (1): 5-1'],
    ['*/0 * * * *', 'step of range should be a positive number: */0'],
    ['1-2-3 * * * *', 'too many hyphens: 1-2-3'],
    ['x * * * *', 'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax'],
    ['@never', 'unrecognized descriptor: @never'],
  ])('%s is none', (text, why) => {
    expect(() => parseCronSchedule(text)).toThrow(new CronError(why))
  })
})
