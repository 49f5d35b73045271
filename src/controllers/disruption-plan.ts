import { isReady, isTerminated } from '../api/core/pod-facts.ts'
import type { Pod, PodDisruptionBudget, PodDisruptionBudgetStatus } from '../api/generated/types.ts'
import { withDisruptionCondition } from '../api/policy/disruption-condition.ts'
import { timestamp } from '../host/clock.ts'
import { percentOf, scaledValue } from '../machinery/int-or-string.ts'

/** How long an evicted pod counts as gone though it still is there. */
const disruptedMs = 120_000

export interface DisruptionPlan {
  readonly status: PodDisruptionBudgetStatus
  /** When the status has to be looked at again, in ms since the epoch; undefined: when something changes. */
  readonly changesAtMs: number | undefined
}

/**
 * A budget's status for the pods that it selects. `scaleOf` answers how many pods the controllers of these want together,
 * or throws where that can't be told.
 */
export function planDisruptions(budget: PodDisruptionBudget, pods: readonly Pod[], scale: () => number, nowMs: number): DisruptionPlan {
  const { metadata, spec = {}, status = {} } = budget
  const disrupted = stillDisrupted(status.disruptedPods ?? {}, pods, nowMs)
  const isHealthy = (pod: Pod): boolean =>
    isReady(pod) && pod.metadata.deletionTimestamp === undefined && disrupted[pod.metadata.name] === undefined
  const currentHealthy = pods.filter(isHealthy).length
  const at = { generation: metadata.generation, time: timestamp(nowMs) }
  const observed = metadata.generation === undefined ? {} : { observedGeneration: metadata.generation }
  const { disruptedPods: _, ...before } = status
  const base = { ...before, ...observed, currentHealthy, ...(Object.keys(disrupted).length > 0 ? { disruptedPods: disrupted } : {}) }
  const times = Object.values(disrupted).map((time) => Date.parse(time) + disruptedMs)
  const changesAtMs = times.length > 0 ? Math.min(...times) : undefined
  const wanted = wantedOf(spec, pods.filter((pod) => !isTerminated(pod)).length, scale)
  if ('fault' in wanted) {
    return { status: withDisruptionCondition({ ...base, disruptionsAllowed: 0 }, { ...at, fault: wanted.fault }), changesAtMs }
  }
  const { expectedPods, desiredHealthy } = wanted
  const disruptionsAllowed = expectedPods > 0 ? Math.max(0, currentHealthy - desiredHealthy) : 0
  return { status: withDisruptionCondition({ ...base, expectedPods, desiredHealthy, disruptionsAllowed }, at), changesAtMs }
}

type Wanted = { expectedPods: number; desiredHealthy: number } | { fault: string }

function wantedOf({ minAvailable, maxUnavailable }: PodDisruptionBudget['spec'] & object, selected: number, scale: () => number): Wanted {
  if (maxUnavailable === undefined && (minAvailable === undefined || percentOf(minAvailable) === undefined)) {
    return { expectedPods: selected, desiredHealthy: Number(minAvailable ?? 0) }
  }
  let expectedPods: number
  try {
    expectedPods = scale()
  } catch (error) {
    if (!(error instanceof UnknownScaleError)) throw error
    return { fault: error.message }
  }
  if (maxUnavailable === undefined) return { expectedPods, desiredHealthy: scaledValue(minAvailable ?? 0, expectedPods, 'up') }
  return { expectedPods, desiredHealthy: Math.max(0, expectedPods - scaledValue(maxUnavailable, expectedPods, 'up')) }
}

/** Nobody knows how many pods there are to be. */
export class UnknownScaleError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'UnknownScaleError'
  }
}

/** Those whose eviction was granted, until they are deleted or have plainly not been. */
function stillDisrupted(disrupted: Readonly<Record<string, string>>, pods: readonly Pod[], nowMs: number): Record<string, string> {
  const there = new Set(pods.filter(({ metadata }) => metadata.deletionTimestamp === undefined).map(({ metadata }) => metadata.name))
  return Object.fromEntries(Object.entries(disrupted).filter(([name, time]) => there.has(name) && Date.parse(time) + disruptedMs > nowMs))
}
