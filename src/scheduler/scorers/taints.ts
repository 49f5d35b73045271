import { isTolerated } from '../../api/core/tolerations.ts'
import type { Scorer } from '../scorer.ts'
import { leastIsBest } from './normalize.ts'

/** The fewer PreferNoSchedule taints that the pod does not tolerate, the better. */
export const taintsScorer: Scorer = {
  name: 'TaintToleration',
  weight: 3,
  score: (pod, nodes) =>
    leastIsBest(
      nodes.map(
        ({ node }) =>
          (node.spec?.taints ?? []).filter((taint) => taint.effect === 'PreferNoSchedule' && !isTolerated(taint, pod.spec.tolerations))
            .length,
      ),
    ),
}
