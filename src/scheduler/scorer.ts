import type { Pod } from '../api/generated/types.ts'
import type { Random } from '../host/random.ts'
import type { ClusterView, NodeInfo } from './cluster-state.ts'
import { balancedScorer } from './scorers/balanced.ts'
import { imageScorer } from './scorers/image.ts'
import { leastAllocatedScorer } from './scorers/least-allocated.ts'
import { nodeAffinityScorer } from './scorers/node-affinity.ts'
import { podAffinityScorer } from './scorers/pod-affinity.ts'
import { spreadScorer } from './scorers/spread.ts'
import { taintsScorer } from './scorers/taints.ts'

/** Says which of the nodes that a pod may go to suit it better. */
export interface Scorer {
  readonly name: string
  /** How much its opinion counts beside the others'. */
  readonly weight: number
  /** A score from 0 to 100 for each of `nodes`, in their order. */
  score(pod: Pod, nodes: readonly NodeInfo[], view: ClusterView): number[]
}

/** Weights are upstream's: what the user asked for counts more than what keeps nodes evenly used. */
export const scorers: readonly Scorer[] = [
  taintsScorer,
  nodeAffinityScorer,
  spreadScorer,
  podAffinityScorer,
  leastAllocatedScorer,
  balancedScorer,
  imageScorer,
]

/** The node with the best total; chance decides among equals. `nodes` is not empty. */
export function bestNode(
  pod: Pod,
  nodes: readonly NodeInfo[],
  view: ClusterView,
  random: Random,
  list: readonly Scorer[] = scorers,
): NodeInfo {
  if (nodes.length === 1) return nodes[0]!
  const totals = nodes.map(() => 0)
  for (const scorer of list)
    scorer.score(pod, nodes, view).forEach((score, i) => {
      totals[i]! += score * scorer.weight
    })
  const best = Math.max(...totals)
  const equals = nodes.filter((_, i) => totals[i]! > best - 1e-6)
  return equals[Math.floor(random.float() * equals.length)]!
}
