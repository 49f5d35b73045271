import type { Pod } from '../api/generated/types.ts'
import type { Random } from '../host/random.ts'
import type { ClusterView, NodeInfo } from './cluster-state.ts'

/** Says which of the nodes that a pod may go to suit it better. */
export interface Scorer {
  readonly name: string
  /** How much its opinion counts beside the others'. */
  readonly weight: number
  /** A score from 0 to 100 for each of `nodes`, in their order. */
  score(pod: Pod, nodes: readonly NodeInfo[], view: ClusterView): number[]
}

/** The node with the best total; chance decides among equals. `nodes` is not empty. */
export function bestNode(pod: Pod, nodes: readonly NodeInfo[], view: ClusterView, random: Random, list: readonly Scorer[]): NodeInfo {
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
