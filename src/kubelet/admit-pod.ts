import { amountsOf, podRequests } from '../api/core/pod-requests.ts'
import { safeSysctls } from '../api/core/safe-sysctls.ts'
import type { Node, Pod } from '../api/generated/types.ts'
import type { ResizeRefusal } from './resizing.ts'

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
  const sysctl = sysctlRefusalOf(pod)
  if (sysctl) return sysctl
  const short = shortage(pod, others, node)
  if (!short) return undefined
  const { resource, requested, used, capacity: whole } = short
  return { reason: `OutOf${resource}`, message: `Pod was rejected: ${shortageText(resource, requested, used, whole)}` }
}

/** A pod may set what is its own, not what it shares with the node. */
function sysctlRefusalOf({ spec }: Pod): { reason: string; message: string } | undefined {
  for (const { name } of spec.securityContext?.sysctls ?? []) {
    const sysctl = name.replaceAll('/', '.')
    const why =
      safeSysctls[sysctl] === undefined
        ? 'not allowlisted'
        : spec.hostNetwork && sysctl.startsWith('net.')
          ? 'not allowed with host net enabled'
          : spec.hostIPC && sysctl.startsWith('kernel.')
            ? 'not allowed with host ipc enabled'
            : undefined
    if (why) return { reason: 'SysctlForbidden', message: `Pod was rejected: forbidden sysctl: ${JSON.stringify(name)} ${why}` }
  }
  return undefined
}

/** Why what a running pod wants (`pod`) is not granted to it; `others` as far as they are granted. */
export function resizeRefusalOf(pod: Pod, others: readonly Pod[], node: Node): ResizeRefusal | undefined {
  const alone = shortage(pod, [], node)
  if (alone) {
    const { resource, requested, capacity } = alone
    const message = `Node didn't have enough capacity: ${resource}, requested: ${requested}, capacity: ${capacity}`
    return { reason: 'Infeasible', message }
  }
  const short = shortage(pod, others, node)
  return short && { reason: 'Deferred', message: shortageText(short.resource, short.requested, short.used, short.capacity) }
}

function shortageText(resource: string, requested: number, used: number, capacity: number): string {
  return `Node didn't have enough resource: ${resource}, requested: ${requested}, used: ${used}, capacity: ${capacity}`
}

function shortage(pod: Pod, others: readonly Pod[], node: Node) {
  const allocatable = amountsOf(node.status?.allocatable)
  for (const resource of ['cpu', 'memory']) {
    // What the status tells of a resize is the past: this is where it is decided.
    const of = ({ status: _, ...one }: Pod): number => podRequests(one).get(resource) ?? 0
    const requested = of(pod)
    const capacity = allocatable.get(resource)
    if (requested === 0 || capacity === undefined) continue
    const used = others.reduce((sum, other) => sum + of(other), 0)
    if (requested + used > capacity) return { resource, requested, used, capacity }
  }
  return undefined
}
