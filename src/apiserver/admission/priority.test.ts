import { expect, test } from 'vitest'
import type { Pod } from '../../api/generated/types.ts'
import { priority } from './priority.ts'
import { factsOf, refusalOf, requestOf } from './testing/fake-facts.ts'

const priorityClass = (name: string, value: number, more: object = {}) => ({ kind: 'PriorityClass', metadata: { name }, value, ...more })
const podOf = (spec: object) => ({ kind: 'Pod', metadata: { name: 'web' }, spec: { containers: [], ...spec } })
const high = priorityClass('high', 1000, { preemptionPolicy: 'Never' })
const normal = priorityClass('normal', 10, { globalDefault: true })

test.each([
  { name: 'no classes', spec: {}, classes: [], becomes: [undefined, 0, 'PreemptLowerPriority'] },
  { name: 'the class it names', spec: { priorityClassName: 'high' }, classes: [high, normal], becomes: ['high', 1000, 'Never'] },
  { name: 'the global default', spec: {}, classes: [high, normal], becomes: ['normal', 10, 'PreemptLowerPriority'] },
  {
    name: 'the least of two defaults',
    spec: {},
    classes: [normal, priorityClass('low', 1, { globalDefault: true })],
    becomes: ['low', 1, 'PreemptLowerPriority'],
  },
  {
    name: 'its own number where that is the same',
    spec: { priority: 10 },
    classes: [normal],
    becomes: ['normal', 10, 'PreemptLowerPriority'],
  },
])('a pod gets $name', ({ spec, classes, becomes }) => {
  const request = requestOf(podOf(spec))
  priority.admit?.(request, factsOf(...classes))
  const { priorityClassName, priority: value, preemptionPolicy } = (request.object as Pod).spec
  expect([priorityClassName, value, preemptionPolicy]).toEqual(becomes)
})

test.each([
  { spec: { priorityClassName: 'none' }, why: 'no PriorityClass with name none was found' },
  {
    spec: { priority: 5 },
    why: 'the integer value of priority (5) must not be provided in pod spec; priority admission controller computed 10 from the given PriorityClass name',
  },
  {
    spec: { priorityClassName: 'high', preemptionPolicy: 'PreemptLowerPriority' },
    why: 'the string value of PreemptionPolicy (PreemptLowerPriority) must not be provided in pod spec; priority admission controller computed Never from the given PriorityClass name',
  },
])('a pod is refused: $why', ({ spec, why }) => {
  expect(refusalOf(() => priority.admit?.(requestOf(podOf(spec)), factsOf(high, normal)))).toBe(`pods "web" is forbidden: ${why}`)
})

test('there is one default class', () => {
  const second = priorityClass('second', 1, { globalDefault: true })
  expect(refusalOf(() => priority.validate?.(requestOf(second), factsOf(normal)))).toBe(
    'priorityclasses.scheduling.k8s.io "second" is forbidden: PriorityClass normal is already marked as default. Only one default can exist',
  )
  expect(refusalOf(() => priority.validate?.(requestOf(normal, normal), factsOf(normal)))).toBeUndefined()
})

test('an update keeps what was computed', () => {
  const request = requestOf(podOf({}), podOf({ priority: 7, preemptionPolicy: 'Never' }))
  priority.admit?.(request, factsOf(high))
  expect((request.object as Pod).spec).toMatchObject({ priority: 7, preemptionPolicy: 'Never' })
})
