import { podRequests } from '../../api/core/pod-requests.ts'
import type { Scorer } from '../scorer.ts'

/** The closer the used shares of cpu and memory are to one another, the better: neither is left over without the other. */
export const balancedScorer: Scorer = {
  name: 'NodeResourcesBalancedAllocation',
  weight: 1,
  score(pod, nodes) {
    const requests = podRequests(pod)
    return nodes.map((node) => {
      const shares = ['cpu', 'memory'].map((name) => {
        const allocatable = node.allocatable.get(name) ?? 0
        const used = (node.requested.get(name) ?? 0) + (requests.get(name) ?? 0)
        return allocatable === 0 ? 1 : Math.min(1, used / allocatable)
      })
      return 100 * (1 - Math.abs(shares[0]! - shares[1]!) / 2)
    })
  },
}
