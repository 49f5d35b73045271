import type { Service, ServicePort } from '../generated/types.ts'
import { isExternallyAccessible, needsClusterIp, needsHealthCheckPort, needsNodePorts } from './service-facts.ts'

const sameList = (a: readonly unknown[] | undefined, b: readonly unknown[] | undefined): boolean =>
  (a?.length ?? 0) === (b?.length ?? 0) && (a ?? []).every((value, index) => value === b?.[index])

const nodePortsOf = ({ spec }: Service): number[] => (spec.ports ?? []).map((port) => port.nodePort ?? 0)

const sameNodePorts = (a: Service, b: Service): boolean => sameList(nodePortsOf(a).sort(), nodePortsOf(b).sort())

/** clusterIP is the first of clusterIPs: whichever the client gave fills the other. */
export function alignClusterIps(service: Service, previous?: Service): void {
  const { spec } = service
  const list = spec.clusterIPs ?? []
  if (!previous) {
    if (spec.clusterIP && list.length === 0) spec.clusterIPs = [spec.clusterIP]
    return
  }
  const wasFirst = previous.spec.clusterIP
  if (spec.clusterIP !== wasFirst) {
    // A client that knows only the single field cleared or changed it, and left the list as it read it.
    if (!spec.clusterIP && sameList(list, previous.spec.clusterIPs)) delete spec.clusterIPs
    else if (spec.clusterIP && sameList(list, previous.spec.clusterIPs)) spec.clusterIPs = [spec.clusterIP]
    else if (spec.clusterIP && list.length === 0) spec.clusterIPs = [spec.clusterIP]
  }
}

/**
 * A client that applies its own file leaves out what the server had chosen: addresses and node ports stay what they were.
 * Ports are matched by name, since all else of them may have changed.
 */
function keepAllocations(service: Service, previous: Service): void {
  const { spec } = service
  if (needsClusterIp(service) && needsClusterIp(previous)) {
    spec.clusterIP ||= previous.spec.clusterIP
    if (!spec.clusterIPs?.length && spec.clusterIP === previous.spec.clusterIP) spec.clusterIPs = previous.spec.clusterIPs
    if (!spec.ipFamilies?.length) spec.ipFamilies = previous.spec.ipFamilies
    spec.ipFamilyPolicy ??= previous.spec.ipFamilyPolicy
  }
  if (needsNodePorts(service) && needsNodePorts(previous)) keepNodePorts(spec.ports ?? [], previous.spec.ports ?? [])
  if (needsHealthCheckPort(service) && needsHealthCheckPort(previous)) {
    spec.healthCheckNodePort ||= previous.spec.healthCheckNodePort
  }
}

function keepNodePorts(ports: readonly ServicePort[], previous: readonly ServicePort[]): void {
  const used = new Set(ports.map((port) => port.nodePort).filter(Boolean))
  for (const port of ports) {
    if (port.nodePort) continue
    const before = previous.find((one) => (one.name ?? '') === (port.name ?? ''))?.nodePort
    if (!before || used.has(before)) continue
    port.nodePort = before
    used.add(before)
  }
}

/** When the type changes, what only the old type had goes away, unless the client changed it just now: then validation names it. */
function dropForeignFields(service: Service, previous: Service): void {
  const { spec } = service
  const before = previous.spec
  if (needsClusterIp(previous) && !needsClusterIp(service) && sameList(spec.clusterIPs, before.clusterIPs)) {
    delete spec.clusterIP
    delete spec.clusterIPs
  }
  if (needsClusterIp(previous) && !needsClusterIp(service)) {
    if (sameList(spec.ipFamilies, before.ipFamilies)) delete spec.ipFamilies
    if (spec.ipFamilyPolicy === before.ipFamilyPolicy) delete spec.ipFamilyPolicy
  }
  if (needsNodePorts(previous) && !needsNodePorts(service) && sameNodePorts(service, previous)) {
    for (const port of spec.ports ?? []) delete port.nodePort
  }
  if (needsHealthCheckPort(previous) && !needsHealthCheckPort(service) && spec.healthCheckNodePort === before.healthCheckNodePort) {
    delete spec.healthCheckNodePort
  }
  if (before.type === 'LoadBalancer' && spec.type !== 'LoadBalancer') {
    if (spec.allocateLoadBalancerNodePorts === before.allocateLoadBalancerNodePorts) delete spec.allocateLoadBalancerNodePorts
    if (spec.loadBalancerClass === before.loadBalancerClass) delete spec.loadBalancerClass
  }
  const policyStays = spec.externalTrafficPolicy === before.externalTrafficPolicy
  if (isExternallyAccessible(previous) && !isExternallyAccessible(service) && policyStays) delete spec.externalTrafficPolicy
}

/** Who goes back to one family, and leaves the rest as it was, gives the second one back. */
function dropSecondFamily({ spec }: Service, { spec: before }: Service): void {
  if (spec.ipFamilyPolicy !== 'SingleStack' || !before.ipFamilyPolicy || before.ipFamilyPolicy === 'SingleStack') return
  if (spec.clusterIPs?.length === 2 && sameList(spec.clusterIPs, before.clusterIPs)) spec.clusterIPs = spec.clusterIPs.slice(0, 1)
  if (spec.ipFamilies?.length === 2 && sameList(spec.ipFamilies, before.ipFamilies)) spec.ipFamilies = spec.ipFamilies.slice(0, 1)
}

export function carryOverService(service: Service, previous: Service): void {
  alignClusterIps(service, previous)
  keepAllocations(service, previous)
  dropSecondFamily(service, previous)
  dropForeignFields(service, previous)
}
