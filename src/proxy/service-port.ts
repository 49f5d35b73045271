import type { EndpointSlice, Service, ServicePort } from '../api/generated/types.ts'
import type { TransportProtocol } from '../netfilter/rules.ts'

/** One port of a Service as the proxy sees it: all that decides where its traffic goes. IPv4 addresses only. */
export interface ProxiedPort {
  /** `ns/name:port`, or `ns/name` for the one port without a name. */
  readonly name: string
  readonly protocol: TransportProtocol
  readonly clusterIp: string
  readonly port: number
  readonly nodePort: number | undefined
  readonly externalIps: readonly string[]
  readonly loadBalancerIps: readonly string[]
  /** Who may come in by the load balancer's addresses; empty: everyone. */
  readonly sourceRanges: readonly string[]
  readonly internalPolicy: TrafficPolicy
  readonly externalPolicy: TrafficPolicy
  /** How long a client stays with its endpoint; undefined without session affinity. */
  readonly affinitySeconds: number | undefined
  readonly endpoints: readonly ProxiedEndpoint[]
}

export type TrafficPolicy = 'Cluster' | 'Local'

export interface ProxiedEndpoint {
  readonly address: string
  readonly port: number
  readonly ready: boolean
  readonly serving: boolean
  readonly terminating: boolean
  readonly nodeName: string | undefined
  readonly nodeHints: readonly string[]
  readonly zoneHints: readonly string[]
}

const proxyNameLabel = 'service.kubernetes.io/service-proxy-name'
const headlessLabel = 'service.kubernetes.io/headless'

/** The label by which an EndpointSlice belongs to a Service. */
export const serviceNameLabel = 'kubernetes.io/service-name'

const ipv4 = /^\d+\.\d+\.\d+\.\d+$/

/** Services that have no cluster address, only a DNS name, or another proxy are not ours. */
function isProxied(service: Service): boolean {
  const { spec, metadata } = service
  const labels = metadata.labels ?? {}
  if (proxyNameLabel in labels || headlessLabel in labels) return false
  return spec?.type !== 'ExternalName' && ipv4.test(spec?.clusterIP ?? '')
}

/** The ports of a Service with their endpoints out of its slices; none for Services that are not ours. */
export function proxiedPorts(service: Service, slices: readonly EndpointSlice[]): ProxiedPort[] {
  if (!isProxied(service)) return []
  const own = slices.filter((slice) => !(proxyNameLabel in (slice.metadata.labels ?? {})))
  return (service.spec?.ports ?? []).map((port) => proxiedPort(service, port, own))
}

function proxiedPort(service: Service, port: ServicePort, slices: readonly EndpointSlice[]): ProxiedPort {
  const spec = service.spec ?? {}
  const { namespace, name } = service.metadata
  const ingress = spec.type === 'LoadBalancer' ? (service.status?.loadBalancer?.ingress ?? []) : []
  return {
    name: `${namespace}/${name}${port.name ? `:${port.name}` : ''}`,
    protocol: protocolOf(port.protocol),
    clusterIp: spec.clusterIP as string,
    port: port.port,
    nodePort: port.nodePort || undefined,
    externalIps: (spec.externalIPs ?? []).filter((address) => ipv4.test(address)),
    loadBalancerIps: ingress.flatMap(({ ip, ipMode }) => (ip && ipv4.test(ip) && ipMode !== 'Proxy' ? [ip] : [])),
    sourceRanges: (spec.loadBalancerSourceRanges ?? [])
      .map((range) => range.trim())
      .filter((range) => ipv4.test(range.split('/')[0] ?? '')),
    internalPolicy: spec.internalTrafficPolicy === 'Local' ? 'Local' : 'Cluster',
    externalPolicy: spec.externalTrafficPolicy === 'Local' ? 'Local' : 'Cluster',
    affinitySeconds: spec.sessionAffinity === 'ClientIP' ? (spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? 10_800) : undefined,
    endpoints: endpointsOf(port, slices),
  }
}

function protocolOf(protocol: string | undefined): TransportProtocol {
  return (protocol ?? 'TCP').toLowerCase() as TransportProtocol
}

/**
 * While an endpoint moves from one slice to another both may hold it: the same address and port counts once,
 * and the better of two states is taken. Sorted, so that the same endpoints always give the same rules.
 */
function endpointsOf(port: ServicePort, slices: readonly EndpointSlice[]): ProxiedEndpoint[] {
  const found = new Map<string, ProxiedEndpoint>()
  for (const slice of slices) {
    if (slice.addressType !== 'IPv4') continue
    for (const slicePort of slice.ports ?? []) {
      if ((slicePort.name ?? '') !== (port.name ?? '') || protocolOf(slicePort.protocol) !== protocolOf(port.protocol)) continue
      if (slicePort.port === undefined) continue
      for (const { addresses, conditions, nodeName, hints } of slice.endpoints ?? []) {
        const [address] = addresses // the others, if any, are names of the same endpoint
        if (address === undefined) continue
        const endpoint: ProxiedEndpoint = {
          address,
          port: slicePort.port,
          ready: conditions?.ready ?? true,
          serving: conditions?.serving ?? conditions?.ready ?? true,
          terminating: conditions?.terminating ?? false,
          nodeName,
          nodeHints: (hints?.forNodes ?? []).map((node) => node.name),
          zoneHints: (hints?.forZones ?? []).map((zone) => zone.name),
        }
        const key = `${address}:${slicePort.port}`
        if (!found.get(key)?.ready) found.set(key, endpoint)
      }
    }
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, endpoint]) => endpoint)
}
