import type { Service } from '../generated/types.ts'

/** Clients outside the cluster may reach it: that is when externalTrafficPolicy means something. */
export function isExternallyAccessible({ spec }: Service): boolean {
  return spec.type === 'LoadBalancer' || spec.type === 'NodePort' || (spec.type === 'ClusterIP' && (spec.externalIPs?.length ?? 0) > 0)
}

export function needsClusterIp({ spec }: Service): boolean {
  return spec.type !== 'ExternalName'
}

export function needsNodePorts({ spec }: Service): boolean {
  return spec.type === 'NodePort' || (spec.type === 'LoadBalancer' && spec.allocateLoadBalancerNodePorts !== false)
}

/** Outside balancers ask each node on a port of its own whether it has endpoints. */
export function needsHealthCheckPort({ spec }: Service): boolean {
  return spec.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local'
}

/** No virtual address: names resolve to the pods themselves. */
export function isHeadless({ spec }: Service): boolean {
  return spec.clusterIP === 'None' || spec.clusterIPs?.[0] === 'None'
}
