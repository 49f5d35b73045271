import { describe, expect, test } from 'vitest'
import { type Case, changeFaults, created, faultsOf, statusFaults, warningsOf } from '../testing/kind-cases.ts'
import { cronJobs } from './cron-job.ts'
import { CronError, parseCronSchedule } from './cron-schedule.ts'
import { jobs } from './job.ts'

const template = { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'x' }] } }
const job = (spec: object): Record<string, unknown> => ({ spec: { template, ...spec } })

const indexed = { completionMode: 'Indexed' }

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

  test.each<Case>([
    [
      'of more than fit its status',
      job({ ...indexed, completions: 9, parallelism: 100_001, backoffLimitPerIndex: 1, maxFailedIndexes: 100_001 }),
      [
        'spec.parallelism: Invalid value: 100001: must be less than or equal to 100000 when completion mode is Indexed',
        'spec.maxFailedIndexes: Invalid value: 100001: must be less than or equal to completions',
        'spec.maxFailedIndexes: Invalid value: 100001: must be less than or equal to 100000',
      ],
    ],
    [
      'of very many with a limit each',
      job({ ...indexed, completions: 100_001, parallelism: 10_001, backoffLimitPerIndex: 1 }),
      [
        'spec.maxFailedIndexes: Required value: must be specified when completions is above 100000',
        'spec.parallelism: Invalid value: 10001: must be less than or equal to 10000 when completions are above 100000 and used with backoff limit per index',
      ],
    ],
    [
      'with a limit for what has none',
      job({ ...indexed, completions: 1, maxFailedIndexes: 1 }),
      ['spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified'],
    ],
    [
      'with labels that it gets itself',
      job({ template: { ...template, metadata: { labels: { 'job-name': 'x' } } } }),
      [
        'spec.template.metadata.labels[job-name]: Invalid value: {"controller-uid":"u-1","job-name":"x","batch.kubernetes.io/controller-uid":"u-1","batch.kubernetes.io/job-name":"one"}: must be \'one\'',
      ],
    ],
    [
      'with a selector beside its own',
      job({ selector: { matchLabels: { a: 'b' } } }),
      [
        'spec.selector: Invalid value: {"matchLabels":{"batch.kubernetes.io/controller-uid":"u-1","a":"b"}}: `selector` not auto-generated',
        expect.stringMatching(/^spec.template.metadata.labels: .* `selector` does not match template `labels`$/),
      ],
    ],
    [
      'that replaces pods before they end',
      job({ podFailurePolicy: { rules: [] }, podReplacementPolicy: 'TerminatingOrFailed' }),
      ['spec.podReplacementPolicy: Unsupported value: "TerminatingOrFailed": supported values: "Failed"'],
    ],
  ])('%s', (_, fields, faults) => {
    expect(faultsOf(jobs, fields)).toEqual(faults)
  })

  const [small, big] = ['1', '2'].map((cpu) => ({
    spec: { ...template.spec, containers: [{ name: 'c', image: 'x', resources: { requests: { cpu } } }] },
  }))
  test.each([
    ['may resize its pods while it rests', { suspend: true }, small, big, []],
    ['may not resize them later', {}, small, big, ['spec.template: Invalid value: {}: field is immutable']],
    [
      'may not change their image',
      { suspend: true },
      small,
      { spec: { ...template.spec, containers: [{ name: 'c', image: 'y' }] } },
      ['spec.template.spec: Invalid value: {}: field is immutable'],
    ],
    ['may gate them', { suspend: true }, small, { spec: { ...small?.spec, schedulingGates: [{ name: 'a/b' }] } }, []],
    [
      'may choose their nodes, not their neighbours',
      { suspend: true },
      small,
      { spec: { ...small?.spec, affinity: { podAffinity: {} } } },
      ['spec.template.spec: Invalid value: {}: field is immutable'],
    ],
  ])('%s', (_, spec, before, after, faults) => {
    const found = changeFaults(jobs, job({ ...spec, template: before }), job({ ...spec, template: after }))
    expect(found.map((fault) => fault.replace(/\{.*\}/, '{}'))).toEqual(faults)
  })

  test('of indexes grows as a whole', () => {
    const of = (completions: number) => job({ ...indexed, completions, parallelism: 1 })
    expect(changeFaults(jobs, of(2), of(3))).toEqual([
      'spec.completions: Invalid value: 3: can only be modified in tandem with spec.parallelism',
    ])
  })

  test('warns of what it cannot track', () => {
    const many = job({ ...indexed, completions: 100_001, parallelism: 10_001 })
    expect(warningsOf(jobs, many)).toEqual([expect.stringMatching(/^spec: In Indexed Jobs with a number of completions higher than 10\^5/)])
    expect(warningsOf(jobs, many, many)).toEqual([])
    const cron = { spec: { schedule: '@daily', jobTemplate: many }, metadata: { name: 'a.b' } }
    expect(warningsOf(cronJobs, cron)).toEqual([
      expect.stringMatching(/^metadata.name: .*\[must not contain dots\]$/),
      expect.stringMatching(/^spec.jobTemplate.spec: In Indexed Jobs/),
    ])
  })

  test('keeps what it has begun with', () => {
    expect(changeFaults(jobs, job({ completions: 1 }), job({ completions: 2 }))).toEqual([
      'spec.completions: Invalid value: 2: field is immutable',
    ])
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
    ['of a zone that is empty', cronJob({ timeZone: '' }), ['spec.timeZone: Too short: must be at least 1 character']],
    [
      'of whatever zone',
      cronJob({ timeZone: 'local' }),
      [
        'spec.timeZone: Invalid value: "local": timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones',
        'spec.timeZone: Invalid value: "local": unknown time zone local',
      ],
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
      cronJob({ jobTemplate: { spec: { template, manualSelector: true, selector: {} } } }),
      [
        'spec.jobTemplate.spec.selector: Invalid value: {}: `selector` will be auto-generated',
        'spec.jobTemplate.spec.manualSelector: Unsupported value: true: supported values: "nil", "false"',
      ],
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

const is = (...types: string[]): object => ({ conditions: types.map((type) => ({ type, status: 'True' })) })
const wrong = (why: string): string => `status.conditions: Invalid value: ${why}`

describe('the status of a Job', () => {
  const [started, done] = [{ startTime: '2026-03-01T12:00:00Z' }, { completionTime: '2026-03-01T12:01:00Z' }]
  const complete = { ...started, ...done, ...is('SuccessCriteriaMet', 'Complete') }
  const indexed = { completionMode: 'Indexed', completions: 5 }

  test.each<[name: string, spec: object, before: object, now: object, faults: string[]]>([
    ['that is complete', {}, started, complete, []],
    ['that has failed', {}, started, { ...started, ...is('FailureTarget', 'Failed') }, []],
    ['that is told otherwise', {}, complete, { ...complete, ready: 0 }, []],
    [
      'without an end',
      {},
      started,
      { ...complete, completionTime: undefined },
      ['status.completionTime: Required value: completionTime is required for Complete jobs'],
    ],
    [
      'without a start',
      {},
      {},
      { ...complete, startTime: undefined },
      ['status.startTime: Required value: startTime is required for finished job'],
    ],
    [
      'that ends before it starts',
      {},
      started,
      { ...complete, completionTime: '2026-03-01T11:00:00Z' },
      ['status.completionTime: Invalid value: "2026-03-01T11:00:00Z": must be equal to or after `startTime`'],
    ],
    [
      'that ends early',
      {},
      started,
      { ...started, ...done },
      ['status.completionTime: Invalid value: "2026-03-01T12:01:00Z": cannot set completionTime when there is no Complete=True condition'],
    ],
    [
      'both complete and failed',
      {},
      started,
      { ...started, ...done, ...is('Complete', 'Failed', 'FailureTarget', 'SuccessCriteriaMet') },
      [
        wrong('cannot set Complete=True and Failed=true conditions'),
        wrong('cannot set Complete=True and FailureTarget=true conditions'),
        wrong('cannot set SuccessCriteriaMet=True and Failed=true conditions'),
        wrong('cannot set SuccessCriteriaMet=True and FailureTarget=true conditions'),
      ],
    ],
    [
      'that fails unforeseen',
      {},
      started,
      { ...started, ...is('Failed') },
      [wrong('cannot set Failed=True condition without the FailureTarget=true condition')],
    ],
    [
      'that is complete unforeseen',
      {},
      started,
      { ...started, ...done, ...is('Complete') },
      [wrong('cannot set Complete=True condition without the SuccessCriteriaMet=true condition')],
    ],
    [
      'that has ended, with pods',
      {},
      started,
      { ...complete, active: 1, terminating: 1, uncountedTerminatedPods: { failed: ['a'] } },
      [
        'status.active: Invalid value: 1: active>0 is invalid for finished job',
        'status.uncountedTerminatedPods: Invalid value: {"failed":["a"]}: must be empty for finished job',
        'status.terminating: Invalid value: 1: terminating>0 is invalid for finished job',
      ],
    ],
    [
      'that counts a pod twice',
      {},
      {},
      { uncountedTerminatedPods: { succeeded: ['a', ''], failed: ['a'] } },
      [
        'status.uncountedTerminatedPods.succeeded[1]: Invalid value: "": must not be empty',
        'status.uncountedTerminatedPods.failed[0]: Duplicate value: "a"',
      ],
    ],
    [
      'with more ready than active',
      {},
      {},
      { active: 1, ready: 2 },
      ['status.ready: Invalid value: 2: cannot set more ready pods than active'],
    ],
    ['of fewer than none', {}, {}, { active: -1 }, ['status.active: Invalid value: -1: must be greater than or equal to 0']],
    [
      'with indexes it has not',
      {},
      {},
      { completedIndexes: '0', failedIndexes: '1' },
      [
        'status.completedIndexes: Invalid value: "0": cannot set non-empty completedIndexes when non-indexed completion mode',
        'status.failedIndexes: Invalid value: "1": cannot set non-null failedIndexes when backoffLimitPerIndex is null',
      ],
    ],
    [
      'with indexes that are none',
      { ...indexed, backoffLimitPerIndex: 1 },
      {},
      { completedIndexes: '3-1', failedIndexes: '7' },
      [
        'status.completedIndexes: Invalid value: "3-1": error parsing completedIndexes: non-increasing order, previous: 3, current: 1',
        'status.failedIndexes: Invalid value: "7": error parsing failedIndexes: too large index: "7"',
      ],
    ],
    [
      'with indexes both done and failed',
      { ...indexed, backoffLimitPerIndex: 1 },
      {},
      { completedIndexes: '0-2', failedIndexes: '2,4' },
      ['status.failedIndexes: Invalid value: "2,4": failedIndexes and completedIndexes overlap at index: 2'],
    ],
    [
      'that is no longer complete',
      {},
      complete,
      started,
      [wrong('cannot disable the terminal Complete=True condition'), wrong('cannot disable the SuccessCriteriaMet=True condition')],
    ],
    [
      'that counts down',
      {},
      { failed: 2, succeeded: 2 },
      { failed: 1, succeeded: 1 },
      [
        'status.failed: Invalid value: 1: cannot decrease the failed counter',
        'status.succeeded: Invalid value: 1: cannot decrease the succeeded counter',
      ],
    ],
    ['that shrinks', { ...indexed, parallelism: 5 }, { succeeded: 2 }, { succeeded: 1 }, []],
    [
      'that started at another time',
      {},
      started,
      { startTime: '2026-03-01T12:00:01Z' },
      ['status.startTime: Invalid value: "2026-03-01T12:00:01Z": field is immutable for unsuspended job once set'],
    ],
    ['that is suspended, and starts anew', { suspend: true }, started, {}, []],
    [
      'that ended at another time',
      {},
      complete,
      { ...complete, completionTime: '2026-03-01T12:02:00Z' },
      ['status.completionTime: Invalid value: "2026-03-01T12:02:00Z": field is immutable'],
    ],
  ])('%s', (_, spec, before, now, faults) => {
    expect(statusFaults(jobs, job(spec), now, before)).toEqual(faults)
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
