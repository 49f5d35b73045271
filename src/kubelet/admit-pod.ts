import type { Node, Pod } from '../api/generated/types.ts'
import { amountOf } from './amount.ts'
import { podRequest } from './resources.ts'

/** Why this node will not run a pod that was given to it, or undefined. The scheduler checks as well; pods can be bound by hand. */
export function refusalOf(pod: Pod, others: readonly Pod[], node: Node): { reason: string; message: string } | undefined {
  for (const [key, value] of Object.entries(pod.spec.nodeSelector ?? {})) {
    if (node.metadata.labels?.[key] !== value)
      return {
        reason: 'NodeAffinity',
        message: "Pod was rejected: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
      }
  }
  const allocatable = node.status?.allocatable ?? {}
  const capacity = amountOf(allocatable.pods)
  if (capacity > 0 && others.length + 1 > capacity)
    return {
      reason: 'OutOfpods',
      message: `Pod was rejected: Node didn't have enough resource: pods, requested: 1, used: ${others.length}, capacity: ${capacity}`,
    }
  for (const [resource, shown] of [
    ['cpu', 1000],
    ['memory', 1],
  ] as const) {
    const requested = podRequest(pod, resource)
    if (requested === 0 || allocatable[resource] === undefined) continue
    const used = others.reduce((sum, other) => sum + podRequest(other, resource), 0)
    const whole = amountOf(allocatable[resource])
    if (requested + used <= whole + 1e-9) continue
    const [r, u, c] = [requested, used, whole].map((amount) => Math.round(amount * shown))
    return {
      reason: `OutOf${resource}`,
      message: `Pod was rejected: Node didn't have enough resource: ${resource}, requested: ${r}, used: ${u}, capacity: ${c}`,
    }
  }
  return undefined
}
