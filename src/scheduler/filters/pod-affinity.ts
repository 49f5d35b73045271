import type { Pod } from '../../api/generated/types.ts'
import type { ClusterView, NodeInfo } from '../cluster-state.ts'
import type { Filter } from '../filter.ts'
import { requiredAffinity, requiredAntiAffinity, termMatcher } from '../pod-terms.ts'

/** A topology domain: `key=value`. */
type Domains = Set<string>

const domainOf = (key: string, node: NodeInfo): string | undefined => {
  const value = node.labels[key]
  return value === undefined ? undefined : `${key}=${value}`
}

/**
 * Required affinity and anti-affinity between pods, in both directions.
 * https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#inter-pod-affinity-and-anti-affinity
 */
export const podAffinityFilter: Filter = {
  name: 'InterPodAffinity',
  helpedBy: ['node', 'pod-placed', 'pod-gone', 'namespace'],
  prepare(pod, view) {
    const repelled = domainsThatRepel(pod, view)
    const avoided = domainsToAvoid(pod, view)
    const isNearFriends = affinityCheck(pod, view)
    return (node) => {
      if (!isNearFriends(node)) return ["node(s) didn't match pod affinity rules"]
      const isIn = (domains: Domains): boolean => [...domains].some((domain) => domain === domainOf(domain.split('=')[0]!, node))
      if (isIn(avoided)) return ["node(s) didn't match pod anti-affinity rules"]
      if (isIn(repelled)) return ["node(s) didn't satisfy existing pods anti-affinity rules"]
      return []
    }
  },
}

/** Where pods already stand whose own anti-affinity speaks of this one. */
function domainsThatRepel(pod: Pod, view: ClusterView): Domains {
  const domains: Domains = new Set()
  for (const node of view.nodes)
    for (const existing of node.pods)
      for (const term of requiredAntiAffinity(existing)) {
        const domain = domainOf(term.topologyKey, node)
        if (domain && termMatcher(term, existing, view)(pod)) domains.add(domain)
      }
  return domains
}

/** Where pods stand that this one's anti-affinity speaks of. */
function domainsToAvoid(pod: Pod, view: ClusterView): Domains {
  const domains: Domains = new Set()
  for (const term of requiredAntiAffinity(pod)) {
    const matches = termMatcher(term, pod, view)
    for (const node of view.nodes) {
      const domain = domainOf(term.topologyKey, node)
      if (domain && node.pods.some(matches)) domains.add(domain)
    }
  }
  return domains
}

/** The first pod of a group that is to stay together may go anywhere, if it is one of the group itself. */
function affinityCheck(pod: Pod, view: ClusterView): (node: NodeInfo) => boolean {
  const terms = requiredAffinity(pod)
  if (terms.length === 0) return () => true
  const matchers = terms.map((term) => termMatcher(term, pod, view))
  const matchesAll = (candidate: Pod): boolean => matchers.every((matches) => matches(candidate))
  const domains: Domains = new Set()
  for (const node of view.nodes) {
    if (!node.pods.some(matchesAll)) continue
    for (const term of terms) {
      const domain = domainOf(term.topologyKey, node)
      if (domain) domains.add(domain)
    }
  }
  const isFirst = domains.size === 0 && matchesAll(pod)
  return (node) =>
    terms.every((term) => {
      const domain = domainOf(term.topologyKey, node)
      return domain !== undefined && (isFirst || domains.has(domain))
    })
}
