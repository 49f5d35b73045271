import { assumedRequests } from '../../api/core/pod-requests.ts'
import type { Pod } from '../../api/generated/types.ts'
import type { NodeInfo } from '../cluster-state.ts'
import type { Scorer } from '../scorer.ts'

/** The more cpu and memory is left once the pod is there, the better. */
export const leastAllocatedScorer: Scorer = {
  name: 'NodeResourcesFit',
  weight: 1,
  score: (pod, nodes) => nodes.map((node) => 100 * leftShare(pod, node)),
}

function leftShare(pod: Pod, node: NodeInfo): number {
  const requests = assumedRequests(pod)
  const shares = ['cpu', 'memory'].map((name) => {
    const allocatable = node.allocatable.get(name) ?? 0
    const used = (node.assumedRequested.get(name) ?? 0) + (requests.get(name) ?? 0)
    return allocatable === 0 ? 0 : Math.max(0, (allocatable - used) / allocatable)
  })
  return (shares[0]! + shares[1]!) / 2
}
