import { isReady, isTerminated } from '../api/core/pod-facts.ts'
import type { Pod, PodDisruptionBudget } from '../api/generated/types.ts'
import { withDisruptionCondition } from '../api/policy/disruption-condition.ts'
import { podDisruptionBudgets } from '../api/registry.ts'
import { timestamp } from '../host/clock.ts'
import { labelSelectorMatcher } from '../machinery/label-selector.ts'
import type { StatusCause } from '../machinery/object.ts'
import { forbidden, internalError, StatusError, tooManyRequests } from '../machinery/status.ts'

/** What an eviction does: deletes the pod at once, where it must not have changed since; or takes from a budget first. */
export interface EvictionStep {
  readonly budget: PodDisruptionBudget | undefined
  /** The state of the pod for which the decision holds; undefined: any. */
  readonly resourceVersion: string | undefined
}

/** So many evictions that no pod has yet followed are too many to go on. */
const mostDisrupted = 2000

/** https://kubernetes.io/docs/concepts/scheduling-eviction/api-eviction/. Throws where more than one budget is for the pod. */
export function evictionStep(pod: Pod, budgets: readonly PodDisruptionBudget[]): EvictionStep {
  const { resourceVersion, deletionTimestamp } = pod.metadata
  if (isTerminated(pod) || deletionTimestamp !== undefined) return { budget: undefined, resourceVersion: undefined }
  if (pod.status?.phase === 'Pending') return { budget: undefined, resourceVersion }
  const covering = budgets.filter((budget) => covers(budget, pod))
  if (covering.length > 1) throw severalBudgets()
  const [budget] = covering
  if (!budget) return { budget, resourceVersion: undefined }
  if (!isReady(pod)) {
    const { currentHealthy = 0, desiredHealthy = 0 } = budget.status ?? {}
    const isHealthy = currentHealthy >= desiredHealthy && desiredHealthy > 0
    if (isHealthy || budget.spec?.unhealthyPodEvictionPolicy === 'AlwaysAllow') return { budget: undefined, resourceVersion }
  }
  return { budget, resourceVersion: undefined }
}

function covers({ spec }: PodDisruptionBudget, pod: Pod): boolean {
  // An empty selector is for every pod of the namespace, none at all for no pod: as policy/v1 has it.
  return spec?.selector !== undefined && labelSelectorMatcher(spec.selector)(pod.metadata.labels)
}

function severalBudgets(): StatusError {
  const { status } = internalError('')
  const { reason: _, details: _details, ...plain } = status
  const message = 'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.'
  return new StatusError({ ...plain, message })
}

/** Takes one disruption from the budget, which names the pod until it has gone. `budget` is the caller's copy. */
export function takeDisruption(budget: PodDisruptionBudget, podName: string, nowMs: number): PodDisruptionBudget {
  const { metadata, status = {} } = budget
  const { disruptionsAllowed = 0, disruptedPods = {}, desiredHealthy = 0, currentHealthy = 0 } = status
  if ((status.observedGeneration ?? 0) < (metadata.generation ?? 0)) throw stillProcessed(metadata.name)
  if (disruptionsAllowed < 0) throw forbidden(podDisruptionBudgets, metadata.name, 'pdb disruptions allowed is negative')
  if (Object.keys(disruptedPods).length > mostDisrupted) {
    const why = 'DisruptedPods map too big - too many evictions not confirmed by PDB controller'
    throw forbidden(podDisruptionBudgets, metadata.name, why)
  }
  if (disruptionsAllowed === 0) {
    throw overBudget(0, `The disruption budget ${metadata.name} needs ${desiredHealthy} healthy pods and has ${currentHealthy} currently`)
  }
  const time = timestamp(nowMs)
  const next = { ...status, disruptionsAllowed: disruptionsAllowed - 1, disruptedPods: { ...disruptedPods, [podName]: time } }
  return { ...budget, status: withDisruptionCondition(next, { generation: metadata.generation, time }) }
}

/** The budget's status is of before its last change, or the pod has changed: to be tried again. */
export function stillProcessed(budget: string): StatusError {
  return overBudget(10, `The disruption budget ${budget} is still being processed by the server.`)
}

function overBudget(retryAfterSeconds: number, message: string): StatusError {
  const { status } = tooManyRequests("Cannot evict pod as it would violate the pod's disruption budget.", retryAfterSeconds)
  const cause: StatusCause = { reason: 'DisruptionBudget', message }
  return new StatusError({ ...status, details: { ...(retryAfterSeconds ? { retryAfterSeconds } : {}), causes: [cause] } })
}
