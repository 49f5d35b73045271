import { podRequests } from '../../api/core/pod-requests.ts'
import type { Filter } from '../filter.ts'

/** What the pod requests must be left of what the node can give, the number of pods included. Every shortage is told. */
export const resourcesFilter: Filter = {
  name: 'NodeResourcesFit',
  helpedBy: ['node', 'pod-gone'],
  prepare(pod) {
    const requests = podRequests(pod)
    return (node) => {
      const reasons: string[] = []
      if (node.pods.length + 1 > (node.allocatable.get('pods') ?? 0)) reasons.push('Too many pods')
      for (const [name, amount] of requests) {
        const left = (node.allocatable.get(name) ?? 0) - (node.requested.get(name) ?? 0)
        if (amount > 0 && amount > left) reasons.push(`Insufficient ${name}`)
      }
      return reasons
    }
  },
}
