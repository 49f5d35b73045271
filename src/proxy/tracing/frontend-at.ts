import type { EndpointSlice, Service } from '../../api/generated/types.ts'
import type { TransportProtocol } from '../../netfilter/rules.ts'
import { type ChoosingNode, chooseEndpoints } from '../choose-endpoints.ts'
import { type AddressFamily, type ProxiedPort, proxiedPorts, serviceNameLabel } from '../service-port.ts'
import type { PortWithChoice } from '../service-rules.ts'

/** What a Service port answers at. */
export type FrontendKind = 'cluster address' | 'external IP' | 'load balancer address' | 'node port'

export interface FoundFrontend extends PortWithChoice {
  readonly kind: FrontendKind
}

export interface ServiceFacts {
  readonly services: readonly Service[]
  readonly slices: readonly EndpointSlice[]
  readonly node: ChoosingNode
  /** The node's own addresses. */
  isLocal(address: string): boolean
}

export const familyOf = (address: string): AddressFamily => (address.includes(':') ? 'IPv6' : 'IPv4')

/** All Service ports of a family, as the proxy of this node sees them. */
export function* portsOf({ services, slices, node }: ServiceFacts, family: AddressFamily): Iterable<PortWithChoice> {
  const byService = new Map<string, EndpointSlice[]>()
  for (const slice of slices) {
    const key = `${slice.metadata.namespace}/${slice.metadata.labels?.[serviceNameLabel]}`
    byService.set(key, [...(byService.get(key) ?? []), slice])
  }
  for (const service of services) {
    const own = byService.get(`${service.metadata.namespace}/${service.metadata.name}`) ?? []
    for (const port of proxiedPorts(service, own, family)) yield { port, choice: chooseEndpoints(port, node) }
  }
}

/** The Service port that answers at an address and port, if one does. */
export function frontendAt(
  facts: ServiceFacts,
  at: { address: string; port: number; protocol: TransportProtocol },
): FoundFrontend | undefined {
  for (const found of portsOf(facts, familyOf(at.address))) {
    const kind = kindAt(found.port, at, facts)
    if (kind) return { ...found, kind }
  }
  return undefined
}

function kindAt(
  port: ProxiedPort,
  at: { address: string; port: number; protocol: TransportProtocol },
  { isLocal }: ServiceFacts,
): FrontendKind | undefined {
  if (port.protocol !== at.protocol) return undefined
  if (port.port === at.port) {
    if (port.clusterIp === at.address) return 'cluster address'
    if (port.externalIps.includes(at.address)) return 'external IP'
    if (port.loadBalancerIps.includes(at.address)) return 'load balancer address'
  }
  return port.nodePort === at.port && isLocal(at.address) ? 'node port' : undefined
}
