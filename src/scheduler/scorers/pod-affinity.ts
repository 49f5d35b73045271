import type { Pod, PodAffinityTerm, WeightedPodAffinityTerm } from '../../api/generated/types.ts'
import type { ClusterView } from '../cluster-state.ts'
import { requiredAffinity, termMatcher } from '../pod-terms.ts'
import type { Scorer } from '../scorer.ts'
import { betweenExtremes } from './normalize.ts'

interface Wish {
  readonly term: PodAffinityTerm
  /** Negative: away from. */
  readonly weight: number
}

/** Preferred affinity and anti-affinity between pods: the pod's own wishes, and those of the pods that are there. */
export const podAffinityScorer: Scorer = {
  name: 'InterPodAffinity',
  weight: 2,
  score(pod, nodes, view) {
    const byDomain = wishesByDomain(pod, view)
    return betweenExtremes(
      nodes.map((node) => {
        let sum = 0
        for (const [key, weights] of byDomain) sum += weights.get(node.labels[key] ?? '') ?? 0
        return sum
      }),
    )
  },
}

/** By topology key and value. */
function wishesByDomain(pod: Pod, view: ClusterView): Map<string, Map<string, number>> {
  const byDomain = new Map<string, Map<string, number>>()
  const own = wishesOf(pod).map((wish) => ({ ...wish, matches: termMatcher(wish.term, pod, view) }))
  for (const node of view.nodes) {
    const add = ({ term, weight }: Wish): void => {
      const value = node.labels[term.topologyKey]
      if (value === undefined) return
      const weights = byDomain.get(term.topologyKey) ?? new Map<string, number>()
      byDomain.set(term.topologyKey, weights)
      weights.set(value, (weights.get(value) ?? 0) + weight)
    }
    for (const existing of node.pods) {
      for (const wish of own) if (wish.matches(existing)) add(wish)
      const theirs = [...wishesOf(existing), ...requiredAffinity(existing).map((term): Wish => ({ term, weight: 1 }))]
      for (const wish of theirs) if (termMatcher(wish.term, existing, view)(pod)) add(wish)
    }
  }
  return byDomain
}

function wishesOf({ spec }: Pod): Wish[] {
  const wish = (sign: 1 | -1) => (each: WeightedPodAffinityTerm) => ({ term: each.podAffinityTerm, weight: sign * each.weight })
  return [
    ...(spec.affinity?.podAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(wish(1)),
    ...(spec.affinity?.podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(wish(-1)),
  ]
}
