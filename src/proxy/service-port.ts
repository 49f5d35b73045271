import { isIPv4, isIPv6 } from 'node:net'
import type { EndpointSlice, Service, ServicePort } from '../api/generated/types.ts'
import { canonicalCidr, canonicalIp } from '../machinery/ip-address.ts'
import type { TransportProtocol } from '../netfilter/rules.ts'

export type AddressFamily = 'IPv4' | 'IPv6'

/** One port of a Service as the proxy sees it: all that decides where its traffic goes. Addresses of one family only. */
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

export const proxyNameLabel = 'service.kubernetes.io/service-proxy-name'
export const headlessLabel = 'service.kubernetes.io/headless'

/** The label by which an EndpointSlice belongs to a Service. */
export const serviceNameLabel = 'kubernetes.io/service-name'

/** As the kernel writes it: other writings of one address would look like drift for ever. */
const written = (address: string): string => (address.includes(':') ? (canonicalIp(address) ?? address) : address)

const isOf = (family: AddressFamily): ((address: string) => boolean) => (family === 'IPv4' ? isIPv4 : isIPv6)

/** The Service's cluster address in this family. Services with none, only a DNS name, or another proxy are not ours. */
function clusterIpOf({ spec, metadata }: Service, family: AddressFamily): string | undefined {
  const labels = metadata.labels ?? {}
  if (proxyNameLabel in labels || headlessLabel in labels || spec?.type === 'ExternalName') return undefined
  const found = [spec?.clusterIP ?? '', ...(spec?.clusterIPs ?? [])].find(isOf(family))
  return found === undefined ? undefined : written(found)
}

/** The ports of a Service with their endpoints out of its slices, in one family; none for Services that are not ours. */
export function proxiedPorts(service: Service, slices: readonly EndpointSlice[], family: AddressFamily): ProxiedPort[] {
  const clusterIp = clusterIpOf(service, family)
  if (clusterIp === undefined) return []
  const own = slices.filter((slice) => slice.addressType === family && !(proxyNameLabel in (slice.metadata.labels ?? {})))
  const shared = { ...sharedByPorts(service, family), clusterIp }
  return (service.spec?.ports ?? []).map((port) => ({
    ...shared,
    name: `${service.metadata.namespace}/${service.metadata.name}${port.name ? `:${port.name}` : ''}`,
    protocol: protocolOf(port.protocol),
    port: port.port,
    nodePort: port.nodePort || undefined,
    endpoints: endpointsOf(port, own),
  }))
}

function sharedByPorts({ spec = {}, status }: Service, family: AddressFamily) {
  const isOurs = isOf(family)
  const ingress = spec.type === 'LoadBalancer' ? (status?.loadBalancer?.ingress ?? []) : []
  return {
    externalIps: (spec.externalIPs ?? []).filter(isOurs).map(written),
    loadBalancerIps: ingress.flatMap(({ ip, ipMode }) => (ip && isOurs(ip) && ipMode !== 'Proxy' ? [written(ip)] : [])),
    sourceRanges: (spec.loadBalancerSourceRanges ?? [])
      .flatMap((range) => canonicalCidr(range.trim()) ?? [])
      .filter((range) => isOurs(range.split('/')[0] as string)),
    internalPolicy: spec.internalTrafficPolicy === 'Local' ? 'Local' : 'Cluster',
    externalPolicy: spec.externalTrafficPolicy === 'Local' ? 'Local' : 'Cluster',
    affinitySeconds: spec.sessionAffinity === 'ClientIP' ? (spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? 10_800) : undefined,
  } as const
}

function protocolOf(protocol: string | undefined): TransportProtocol {
  return (protocol ?? 'TCP').toLowerCase() as TransportProtocol
}

const none: readonly string[] = []

/**
 * While an endpoint moves from one slice to another both may hold it: the same address and port counts once,
 * and the better of two states is taken. Sorted, so that the same endpoints always give the same rules.
 */
function endpointsOf(port: ServicePort, slices: readonly EndpointSlice[]): ProxiedEndpoint[] {
  const found = new Map<string, ProxiedEndpoint>()
  for (const slice of slices) {
    for (const slicePort of slice.ports ?? []) {
      if ((slicePort.name ?? '') !== (port.name ?? '') || protocolOf(slicePort.protocol) !== protocolOf(port.protocol)) continue
      if (slicePort.port === undefined) continue
      for (const { addresses, conditions, nodeName, hints } of slice.endpoints ?? []) {
        const [first] = addresses // the others, if any, are names of the same endpoint
        if (first === undefined) continue
        const address = written(first)
        const endpoint: ProxiedEndpoint = {
          address,
          port: slicePort.port,
          ready: conditions?.ready ?? true,
          serving: conditions?.serving ?? conditions?.ready ?? true,
          terminating: conditions?.terminating ?? false,
          nodeName,
          nodeHints: hints?.forNodes?.map((node) => node.name) ?? none,
          zoneHints: hints?.forZones?.map((zone) => zone.name) ?? none,
        }
        const key = `${address}:${slicePort.port}`
        if (!found.get(key)?.ready) found.set(key, endpoint)
      }
    }
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, endpoint]) => endpoint)
}
