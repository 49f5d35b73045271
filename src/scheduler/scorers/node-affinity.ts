import { matchesTerm } from '../node-selector.ts'
import type { Scorer } from '../scorer.ts'
import { mostIsBest } from './normalize.ts'

/** Preferred node affinity: the weights of the terms that a node matches. */
export const nodeAffinityScorer: Scorer = {
  name: 'NodeAffinity',
  weight: 2,
  score(pod, nodes) {
    const terms = pod.spec.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []
    return mostIsBest(
      nodes.map(({ node }) => terms.reduce((sum, { preference, weight }) => sum + (matchesTerm(preference, node) ? weight : 0), 0)),
    )
  },
}
