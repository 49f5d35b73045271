import { isTolerated } from '../../api/core/tolerations.ts'
import type { Filter } from '../filter.ts'

/** A cordoned node takes only pods that tolerate that. */
export const nodeUnschedulableFilter: Filter = {
  name: 'NodeUnschedulable',
  helpedBy: ['node'],
  prepare(pod) {
    const tolerates = isTolerated({ key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' }, pod.spec.tolerations)
    return ({ node }) => (node.spec?.unschedulable && !tolerates ? ['node(s) were unschedulable'] : [])
  },
}
