import { isTolerated } from '../api/core/tolerations.ts'
import type { Pod, TopologySpreadConstraint } from '../api/generated/types.ts'
import { labelSelectorMatcher } from '../machinery/label-selector.ts'
import type { NodeInfo } from './cluster-state.ts'
import { matchesNodeAffinity } from './node-selector.ts'
import { ownValues, type PodMatcher } from './pod-terms.ts'

/** https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/ */
export function constraintsOf(pod: Pod, whenUnsatisfiable: 'DoNotSchedule' | 'ScheduleAnyway'): readonly TopologySpreadConstraint[] {
  return (pod.spec.topologySpreadConstraints ?? []).filter((each) => each.whenUnsatisfiable === whenUnsatisfiable)
}

/** Pods that a constraint counts: those of the same namespace that it selects, save those being deleted. */
export function spreadMatcher(constraint: TopologySpreadConstraint, pod: Pod): PodMatcher {
  const matchesLabels = labelSelectorMatcher(constraint.labelSelector)
  const same = ownValues(pod, constraint.matchLabelKeys)
  return ({ metadata }) =>
    metadata.namespace === pod.metadata.namespace &&
    metadata.deletionTimestamp === undefined &&
    matchesLabels(metadata.labels) &&
    same.every(([key, value]) => metadata.labels?.[key] === value)
}

/** Whether a node's domain counts at all: by default what node affinity rules out does not, what taints rule out does. */
export function countsFor(constraint: TopologySpreadConstraint, pod: Pod, { node }: NodeInfo): boolean {
  if ((constraint.nodeAffinityPolicy ?? 'Honor') === 'Honor' && !matchesNodeAffinity(pod, node)) return false
  if (constraint.nodeTaintsPolicy !== 'Honor') return true
  const taints = node.spec?.taints ?? []
  return taints.every((taint) => taint.effect === 'PreferNoSchedule' || isTolerated(taint, pod.spec.tolerations))
}

/** Matching pods by the value of the topology key, over the given nodes; a domain without any counts 0. */
export function countByDomain(topologyKey: string, matches: PodMatcher, nodes: readonly NodeInfo[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const node of nodes) {
    const value = node.labels[topologyKey]
    if (value !== undefined) counts.set(value, (counts.get(value) ?? 0) + node.pods.filter(matches).length)
  }
  return counts
}
