import type { Clock } from '../../host/clock.ts'
import type { Exec } from '../../host/exec.ts'
import { hasIpv6 } from '../../netfilter/local-addresses.ts'
import { translatedConnections } from '../../netfilter/translated-connections.ts'
import { type ListedPort, listServices } from '../../proxy/tracing/service-list.ts'
import { type AskedCluster, factsOf } from './asked-cluster.ts'

export type ListedService = ListedPort

/** All Services as this node sees them, with what connection tracking knows of their connections. */
export async function servicesNow(cluster: AskedCluster, deps: { exec: Exec; clock: Clock }): Promise<ListedPort[]> {
  const facts = await factsOf(cluster, deps)
  const node = { name: facts.node.metadata.name, zone: facts.node.metadata.labels?.['topology.kubernetes.io/zone'] }
  const families = (await hasIpv6(deps.exec)) ? (['IPv4', 'IPv6'] as const) : (['IPv4'] as const)
  const translated = await Promise.all(families.map((family) => translatedConnections(deps.exec, family)))
  return listServices({ ...facts, node }, families, translated.flat())
}
