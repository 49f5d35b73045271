import type { Service } from '../../api/generated/types.ts'
import { balancedCounts } from '../../bpf/balanced-at.ts'
import { unifiedCgroup } from '../../cri/unified-cgroup.ts'
import type { Clock } from '../../host/clock.ts'
import type { Exec } from '../../host/exec.ts'
import { openConntrack } from '../../netfilter/conntrack/open-conntrack.ts'
import { translatedConnections } from '../../netfilter/conntrack/translated-connections.ts'
import { hasIpv6 } from '../../netfilter/local-addresses.ts'
import { type CountBySockets, type ListedPort, listServices } from '../../proxy/tracing/service-list.ts'
import { listUnserved } from '../../proxy/tracing/unserved-services.ts'
import { cgroupRootOf } from '../agent.ts'
import { type AskedCluster, factsOf } from './asked-cluster.ts'
import { noSuchPort, serviceNamed } from './places.ts'

/** Where pods' sockets are balanced, connection tracking knows nothing of what they send. */
async function socketCounts(cluster: AskedCluster): Promise<CountBySockets> {
  if (!('config' in cluster) || !cluster.config.socketLb) return () => undefined
  const cgroup = await unifiedCgroup(cgroupRootOf(cluster.config.name))
  return (ports) =>
    cgroup &&
    balancedCounts(
      cgroup.path,
      ports.map(({ protocol, port, clusterIp, externalIps, loadBalancerIps }) => ({
        protocol: protocol === 'udp' ? 'udp' : 'tcp',
        frontends: protocol === 'sctp' ? [] : [clusterIp, ...externalIps, ...loadBalancerIps].map((address) => ({ address, port })),
      })),
    )
}

export type ListedService = ListedPort

/**
 * All Services as this node sees them, with what connection tracking knows of their connections; or only the named one (`web`,
 * `default/web`, `default/web:http`). Throws NoSuchPlaceError if there is none of that name.
 */
export async function servicesNow(
  cluster: AskedCluster,
  deps: { exec: Exec; clock: Clock },
  named: string | undefined,
): Promise<ListedPort[]> {
  const facts = await factsOf(cluster, deps)
  const node = { name: facts.node.metadata.name, zone: facts.node.metadata.labels?.['topology.kubernetes.io/zone'] }
  const families = (await hasIpv6(deps.exec)) ? (['IPv4', 'IPv6'] as const) : (['IPv4'] as const)
  const translated = await Promise.all(families.map((family) => translatedConnections(openConntrack(deps), family)))
  const served = listServices({ ...facts, node }, families, translated.flat(), await socketCounts(cluster))
  const all = [...served, ...listUnserved(facts)].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
  return named === undefined ? all : portsNamed(named, all, facts.services)
}

export function portsNamed(text: string, all: readonly ListedPort[], services: readonly Service[]): ListedPort[] {
  const { service, namespace, name, port } = serviceNamed(text, services)
  const found = all.filter((listed) => {
    const [place, portName] = listed.name.split(':')
    return place === `${namespace}/${name}` && (port === '' || port === portName || listed.frontend?.includes(`:${port}/`))
  })
  if (found.length === 0 && port !== '') throw noSuchPort(service)
  return found
}
