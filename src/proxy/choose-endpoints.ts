import type { ProxiedEndpoint, ProxiedPort } from './service-port.ts'

/** The node that chooses. */
export interface ChoosingNode {
  readonly name: string
  /** topology.kubernetes.io/zone, where the node has one. */
  readonly zone: string | undefined
}

/** Which endpoints a node sends a Service port's traffic to. Knows nothing of rules. */
export interface EndpointChoice {
  /** For traffic under a Cluster policy, and for what Local policies short-circuit. */
  readonly cluster: readonly ProxiedEndpoint[]
  /** For traffic under a Local policy. */
  readonly local: readonly ProxiedEndpoint[]
  /** False: nobody anywhere can answer, so connections are refused; else traffic without an endpoint of its own is dropped. */
  readonly any: boolean
}

export function reachableFromOutside(port: ProxiedPort): boolean {
  return port.nodePort !== undefined || port.externalIps.length > 0 || port.loadBalancerIps.length > 0
}

/**
 * Ready endpoints; where none is left, those that terminate but still serve, so that a roll-out of a last pod loses
 * nothing (KEP-1669): decided for the cluster and for this node apart.
 */
export function chooseEndpoints(port: ProxiedPort, node: ChoosingNode): EndpointChoice {
  const outside = reachableFromOutside(port)
  const usesLocal = port.internalPolicy === 'Local' || (outside && port.externalPolicy === 'Local')
  const usesCluster = port.internalPolicy === 'Cluster' || outside
  const ready = port.endpoints.filter((endpoint) => endpoint.ready)
  const last = port.endpoints.filter((endpoint) => endpoint.serving && endpoint.terminating)
  const here = (endpoint: ProxiedEndpoint): boolean => endpoint.nodeName === node.name
  const readyHere = ready.filter(here)
  return {
    cluster: !usesCluster ? [] : ready.length > 0 ? nearest(ready, node) : last,
    local: !usesLocal ? [] : readyHere.length > 0 ? readyHere : last.filter(here),
    any: ready.length > 0 || last.length > 0,
  }
}

/**
 * Hints count only if every ready endpoint has them, else some would never be used; and only if one is for us.
 * Nodes go before zones (KEP-3015, KEP-4444).
 */
function nearest(ready: readonly ProxiedEndpoint[], node: ChoosingNode): readonly ProxiedEndpoint[] {
  if (ready.every((endpoint) => endpoint.nodeHints.length > 0)) {
    const same = ready.filter((endpoint) => endpoint.nodeHints.includes(node.name))
    if (same.length > 0) return same
  }
  const { zone } = node
  if (zone !== undefined && ready.every((endpoint) => endpoint.zoneHints.length > 0)) {
    const same = ready.filter((endpoint) => endpoint.zoneHints.includes(zone))
    if (same.length > 0) return same
  }
  return ready
}
