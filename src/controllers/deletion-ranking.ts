import { isReady, podCondition } from '../api/core/pod-facts.ts'
import type { Pod } from '../api/generated/types.ts'

const deletionCostAnnotation = 'controller.kubernetes.io/pod-deletion-cost'

/** The least valuable pods first, by upstream's rules (ActivePodsWithRanks); `related` are all pods that spread together. */
export function leastValuable(pods: readonly Pod[], related: readonly Pod[], nowMs: number): Pod[] {
  const onNode = new Map<string, number>()
  for (const pod of related) {
    const node = pod.spec.nodeName
    if (node) onNode.set(node, (onNode.get(node) ?? 0) + 1)
  }
  return [...pods].sort((a, b) => compare(a, b, onNode, nowMs))
}

const phaseOrder: Record<string, number> = { Pending: 0, Unknown: 1, Running: 2 }

function compare(a: Pod, b: Pod, onNode: ReadonlyMap<string, number>, nowMs: number): number {
  const nodeOf = (pod: Pod): string => pod.spec.nodeName ?? ''
  return (
    Number(nodeOf(a) !== '') - Number(nodeOf(b) !== '') ||
    (phaseOrder[a.status?.phase ?? 'Pending'] ?? 0) - (phaseOrder[b.status?.phase ?? 'Pending'] ?? 0) ||
    Number(isReady(a)) - Number(isReady(b)) ||
    cost(a) - cost(b) ||
    (onNode.get(nodeOf(b)) ?? 0) - (onNode.get(nodeOf(a)) ?? 0) ||
    age(a, readySince, nowMs) - age(b, readySince, nowMs) ||
    restarts(b) - restarts(a) ||
    age(a, createdAt, nowMs) - age(b, createdAt, nowMs) ||
    (a.metadata.uid < b.metadata.uid ? -1 : 1)
  )
}

function cost(pod: Pod): number {
  const text = pod.metadata.annotations?.[deletionCostAnnotation] ?? '0'
  return /^-?\d+$/.test(text) ? Number(text) : 0
}

/** Ages count in powers of two of seconds: of pods that are about as old, any may go, so that failures don't line up by age. */
function age(pod: Pod, since: (pod: Pod) => number, nowMs: number): number {
  const at = since(pod)
  return at === 0 ? 0 : Math.floor(Math.log2(Math.max(1, nowMs - at)))
}

const readySince = (pod: Pod): number => {
  const ready = podCondition(pod, 'Ready')
  return ready?.status === 'True' && ready.lastTransitionTime ? Date.parse(ready.lastTransitionTime) : 0
}
const createdAt = (pod: Pod): number => Date.parse(pod.metadata.creationTimestamp)

function restarts(pod: Pod): number {
  const started = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])]
  return started.reduce((most, status) => Math.max(most, status.restartCount), 0)
}
