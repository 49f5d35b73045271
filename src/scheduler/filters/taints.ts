import { isTolerated } from '../../api/core/tolerations.ts'
import type { Filter } from '../filter.ts'

/** NoSchedule and NoExecute taints keep out pods that do not tolerate them: a node that is not ready is one such. */
export const taintsFilter: Filter = {
  name: 'TaintToleration',
  helpedBy: ['node'],
  prepare:
    (pod) =>
    ({ node }) => {
      const taint = node.spec?.taints?.find(
        ({ effect, ...rest }) =>
          (effect === 'NoSchedule' || effect === 'NoExecute') && !isTolerated({ ...rest, effect }, pod.spec.tolerations),
      )
      return taint ? [`node(s) had untolerated taint {${taint.key}: ${taint.value ?? ''}}`] : []
    },
}
