import { amountsOf, podRequests } from '../api/core/pod-requests.ts'
import type { Node, Pod } from '../api/generated/types.ts'

/** Why this node will not run a pod that was given to it, or undefined. The scheduler checks as well; pods can be bound by hand. */
export function refusalOf(pod: Pod, others: readonly Pod[], node: Node): { reason: string; message: string } | undefined {
  for (const [key, value] of Object.entries(pod.spec.nodeSelector ?? {})) {
    if (node.metadata.labels?.[key] !== value)
      return {
        reason: 'NodeAffinity',
        message: "Pod was rejected: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
      }
  }
  const allocatable = amountsOf(node.status?.allocatable)
  const capacity = allocatable.get('pods') ?? 0
  if (capacity > 0 && others.length + 1 > capacity)
    return {
      reason: 'OutOfpods',
      message: `Pod was rejected: Node didn't have enough resource: pods, requested: 1, used: ${others.length}, capacity: ${capacity}`,
    }
  for (const resource of ['cpu', 'memory']) {
    const of = (one: Pod): number => podRequests(one).get(resource) ?? 0
    const requested = of(pod)
    const whole = allocatable.get(resource)
    if (requested === 0 || whole === undefined) continue
    const used = others.reduce((sum, other) => sum + of(other), 0)
    if (requested + used <= whole) continue
    return {
      reason: `OutOf${resource}`,
      message: `Pod was rejected: Node didn't have enough resource: ${resource}, requested: ${requested}, used: ${used}, capacity: ${whole}`,
    }
  }
  return undefined
}
