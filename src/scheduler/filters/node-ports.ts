import type { ContainerPort } from '../../api/generated/types.ts'
import { hostPortsOf } from '../cluster-state.ts'
import type { Filter } from '../filter.ts'

/** A host port on an address is taken by the same port on that address, or on all of them. */
export const nodePortsFilter: Filter = {
  name: 'NodePorts',
  helpedBy: ['node', 'pod-gone'],
  prepare(pod) {
    const wanted = hostPortsOf(pod)
    return (node) =>
      wanted.some((port) => node.hostPorts.some((taken) => collide(port, taken)))
        ? ["node(s) didn't have free ports for the requested pod ports"]
        : []
  },
}

function collide(a: ContainerPort, b: ContainerPort): boolean {
  if (a.hostPort !== b.hostPort || (a.protocol ?? 'TCP') !== (b.protocol ?? 'TCP')) return false
  const [addressA, addressB] = [a.hostIP || '0.0.0.0', b.hostIP || '0.0.0.0']
  return addressA === addressB || addressA === '0.0.0.0' || addressB === '0.0.0.0'
}
