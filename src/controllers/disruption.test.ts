import { expect, test } from 'vitest'
import type { Pod, PodDisruptionBudget } from '../api/generated/types.ts'
import { planDisruptions, UnknownScaleError } from './disruption-plan.ts'

const now = Date.parse('2030-01-01T00:10:00Z')
const podOf = (name: string, ready = true): Pod =>
  ({
    metadata: { name },
    spec: { containers: [] },
    status: { phase: 'Running', conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] },
  }) as unknown as Pod
const budgetOf = (spec: object, disruptedPods?: Record<string, string>): PodDisruptionBudget =>
  ({ metadata: { name: 'b', generation: 3 }, spec, status: disruptedPods ? { disruptedPods } : {} }) as unknown as PodDisruptionBudget
const three = [podOf('a'), podOf('b'), podOf('c')]
const oneSick = [podOf('a'), podOf('b'), podOf('c', false)]

test.each([
  { spec: { minAvailable: 2 }, pods: three, scale: 9, counts: [3, 2, 3, 1] },
  { spec: { minAvailable: 2 }, pods: oneSick, scale: 9, counts: [2, 2, 3, 0] },
  { spec: { minAvailable: '50%' }, pods: three, scale: 3, counts: [3, 2, 3, 1] },
  { spec: { maxUnavailable: 1 }, pods: three, scale: 3, counts: [3, 2, 3, 1] },
  { spec: { maxUnavailable: '30%' }, pods: three, scale: 3, counts: [3, 2, 3, 1] },
  { spec: { maxUnavailable: 1 }, pods: three, scale: 5, counts: [3, 4, 5, 0] },
  { spec: { maxUnavailable: 5 }, pods: [], scale: 0, counts: [0, 0, 0, 0] },
])('$spec of $scale', ({ spec, pods, scale, counts }) => {
  const { status } = planDisruptions(budgetOf(spec), pods, () => scale, now)
  expect([status.currentHealthy, status.desiredHealthy, status.expectedPods, status.disruptionsAllowed]).toEqual(counts)
  const isAllowed = (counts[3] as number) > 0
  expect(status.conditions).toMatchObject([
    { type: 'DisruptionAllowed', status: isAllowed ? 'True' : 'False', reason: isAllowed ? 'SufficientPods' : 'InsufficientPods' },
  ])
  expect(status.observedGeneration).toBe(3)
})

test('an evicted pod counts as gone for two minutes', () => {
  const disrupted = { a: '2030-01-01T00:09:00Z', b: '2030-01-01T00:01:00Z', gone: '2030-01-01T00:09:30Z' }
  const { status, changesAtMs } = planDisruptions(budgetOf({ minAvailable: 1 }, disrupted), three, () => 3, now)
  expect(status.disruptedPods).toEqual({ a: '2030-01-01T00:09:00Z' })
  expect([status.currentHealthy, changesAtMs]).toEqual([2, now + 60_000])
})

test('where nobody knows how many there are to be, none may go', () => {
  const unknown = (): number => {
    throw new UnknownScaleError('found no controllers for pod "a"')
  }
  const { status } = planDisruptions(budgetOf({ maxUnavailable: 1 }), three, unknown, now)
  expect(status).toMatchObject({
    disruptionsAllowed: 0,
    conditions: [{ reason: 'SyncFailed', message: 'found no controllers for pod "a"' }],
  })
})
