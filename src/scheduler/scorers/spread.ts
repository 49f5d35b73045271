import type { Pod } from '../../api/generated/types.ts'
import { controllerOf } from '../../machinery/object.ts'
import type { NodeInfo } from '../cluster-state.ts'
import type { PodMatcher } from '../pod-terms.ts'
import type { Scorer } from '../scorer.ts'
import { constraintsOf, countByDomain, countsFor, spreadMatcher } from '../spread.ts'

interface SoftConstraint {
  readonly topologyKey: string
  readonly maxSkew: number
  readonly matches: PodMatcher
  readonly counts: (node: NodeInfo) => boolean
}

/**
 * Topology spread constraints that are wishes. A pod without any wishes to be apart from those of the same controller, on
 * other nodes first and in other zones too: upstream's built-in defaults.
 */
export const spreadScorer: Scorer = {
  name: 'PodTopologySpread',
  weight: 2,
  score(pod, nodes, view) {
    const constraints = softConstraints(pod)
    const values = nodes.map(() => 0)
    for (const { topologyKey, maxSkew, matches, counts } of constraints) {
      const byDomain = countByDomain(topologyKey, matches, view.nodes.filter(counts))
      // More domains make each count smaller: the logarithm keeps constraints comparable.
      const scale = Math.log(byDomain.size + 2)
      nodes.forEach((node, i) => {
        const value = node.labels[topologyKey]
        if (value !== undefined) values[i]! += (byDomain.get(value) ?? 0) * scale + maxSkew - 1
      })
    }
    return fewestIsBest(values, nodes, constraints)
  },
}

function softConstraints(pod: Pod): SoftConstraint[] {
  if (pod.spec.topologySpreadConstraints?.length) {
    return constraintsOf(pod, 'ScheduleAnyway').map((constraint) => ({
      topologyKey: constraint.topologyKey,
      maxSkew: constraint.maxSkew,
      matches: spreadMatcher(constraint, pod),
      counts: (node) => countsFor(constraint, pod, node),
    }))
  }
  const owner = controllerOf(pod)?.uid
  if (!owner) return []
  const matches: PodMatcher = (other) => other.metadata.deletionTimestamp === undefined && controllerOf(other)?.uid === owner
  return [
    { topologyKey: 'kubernetes.io/hostname', maxSkew: 3, matches, counts: () => true },
    { topologyKey: 'topology.kubernetes.io/zone', maxSkew: 5, matches, counts: () => true },
  ]
}

/** A node that lacks a key which others have gets 0; otherwise the fewest is 100. */
function fewestIsBest(values: readonly number[], nodes: readonly NodeInfo[], constraints: readonly SoftConstraint[]): number[] {
  const keys = constraints.map(({ topologyKey }) => topologyKey).filter((key) => nodes.some((node) => key in node.labels))
  const lacks = nodes.map((node) => keys.some((key) => !(key in node.labels)))
  const counted = values.filter((_, i) => !lacks[i])
  const most = Math.max(0, ...counted)
  const least = counted.length > 0 ? Math.min(...counted) : 0
  return values.map((value, i) => (lacks[i] ? 0 : most === 0 ? 100 : 100 * ((most - (value - least)) / most)))
}
