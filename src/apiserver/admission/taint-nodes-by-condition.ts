import type { Node } from '../../api/generated/types.ts'
import { nodes } from '../../api/registry.ts'
import { type AdmissionPlugin, isOf } from './plugin.ts'

const notReady = 'node.kubernetes.io/not-ready'

/** A new node takes no pods until its condition says that it is ready: the node life cycle controller then removes the taint. */
export const taintNodesByCondition: AdmissionPlugin = {
  name: 'TaintNodesByCondition',
  admit(request) {
    if (request.operation !== 'create' || !isOf(request, nodes)) return
    const node = request.object as Node
    const taints = node.spec?.taints ?? []
    if (taints.some(({ key, effect }) => key === notReady && effect === 'NoSchedule')) return
    node.spec = { ...node.spec, taints: [...taints, { key: notReady, effect: 'NoSchedule' }] }
  },
}
