import type { Filter } from '../filter.ts'
import { constraintsOf, countByDomain, countsFor, spreadMatcher } from '../spread.ts'

const mismatch = "node(s) didn't match pod topology spread constraints"

/** Constraints that must hold: no domain may be more than maxSkew pods ahead of the emptiest. */
export const topologySpreadFilter: Filter = {
  name: 'PodTopologySpread',
  helpedBy: ['node', 'pod-placed', 'pod-gone'],
  prepare(pod, view) {
    const constraints = constraintsOf(pod, 'DoNotSchedule')
    const hasAllKeys = (labels: Readonly<Record<string, string>>): boolean => constraints.every(({ topologyKey }) => topologyKey in labels)
    const prepared = constraints.map((constraint) => {
      const matches = spreadMatcher(constraint, pod)
      const eligible = view.nodes.filter((node) => hasAllKeys(node.labels) && countsFor(constraint, pod, node))
      const counts = countByDomain(constraint.topologyKey, matches, eligible)
      const tooFew = counts.size < (constraint.minDomains ?? 1)
      const least = tooFew || counts.size === 0 ? 0 : Math.min(...counts.values())
      return { constraint, counts, least, self: matches(pod) ? 1 : 0 }
    })
    return (node) => {
      for (const { constraint, counts, least, self } of prepared) {
        const value = node.labels[constraint.topologyKey]
        if (value === undefined) return [`${mismatch} (missing required label)`]
        if ((counts.get(value) ?? 0) + self - least > constraint.maxSkew) return [mismatch]
      }
      return []
    }
  },
}
