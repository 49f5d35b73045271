import { balancedCounts } from '../../bpf/balanced-at.ts'
import { unifiedCgroup } from '../../cri/unified-cgroup.ts'
import type { Clock } from '../../host/clock.ts'
import type { Exec } from '../../host/exec.ts'
import { openConntrack } from '../../netfilter/conntrack/open-conntrack.ts'
import { translatedConnections } from '../../netfilter/conntrack/translated-connections.ts'
import { hasIpv6 } from '../../netfilter/local-addresses.ts'
import { type CountBySockets, type ListedPort, listServices } from '../../proxy/tracing/service-list.ts'
import { cgroupRootOf } from '../agent.ts'
import { type AskedCluster, factsOf } from './asked-cluster.ts'

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

/** All Services as this node sees them, with what connection tracking knows of their connections. */
export async function servicesNow(cluster: AskedCluster, deps: { exec: Exec; clock: Clock }): Promise<ListedPort[]> {
  const facts = await factsOf(cluster, deps)
  const node = { name: facts.node.metadata.name, zone: facts.node.metadata.labels?.['topology.kubernetes.io/zone'] }
  const families = (await hasIpv6(deps.exec)) ? (['IPv4', 'IPv6'] as const) : (['IPv4'] as const)
  const translated = await Promise.all(families.map((family) => translatedConnections(openConntrack(deps), family)))
  return listServices({ ...facts, node }, families, translated.flat(), await socketCounts(cluster))
}
