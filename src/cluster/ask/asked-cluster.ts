import { hostname } from 'node:os'
import type { EndpointSlice, Node, Pod, Service } from '../../api/generated/types.ts'
import { endpointSlices, nodes, pods, services } from '../../api/registry.ts'
import type { Client } from '../../client/client.ts'
import { accessByKubeconfig } from '../../client/cluster-access.ts'
import { httpClient } from '../../client/http-client.ts'
import type { Clock } from '../../host/clock.ts'
import type { Exec } from '../../host/exec.ts'
import { toldRanges } from '../../proxy/service-ranges.ts'
import { type IsLocal, localIn } from '../../proxy/tracing/ways-through.ts'
import { adminClient } from '../admin-client.ts'
import type { ClusterConfig } from '../config.ts'

/** The cluster that is asked about: one of ours on this machine, or any by its kubeconfig. */
export type AskedCluster = { readonly config: ClusterConfig } | { readonly kubeconfig: string; readonly nodeName: string | undefined }

/** All that answers are made of, as of now. */
export interface ClusterFacts {
  readonly services: readonly Service[]
  readonly slices: readonly EndpointSlice[]
  readonly pods: readonly Pod[]
  readonly nodes: readonly Node[]
  /** This machine's Node. */
  readonly node: Node
  readonly isLocal: IsLocal
  /** By which our rules are known. */
  readonly tag: string
  /** Addresses that only Services have. */
  readonly serviceCidrs: readonly string[]
}

/** Throws a plain Error that says what to do, where this machine is no node of the cluster. */
export async function factsOf(cluster: AskedCluster, deps: { exec: Exec; clock: Clock }): Promise<ClusterFacts> {
  const client = await clientOf(cluster, deps)
  try {
    const [allServices, slices, allPods, allNodes, ranges] = await Promise.all([
      client.resource<Service>(services).list(),
      client.resource<EndpointSlice>(endpointSlices).list(),
      client.resource<Pod>(pods).list(),
      client.resource<Node>(nodes).list(),
      toldRanges(client),
    ])
    const wanted = 'config' in cluster ? cluster.config.nodeName : (cluster.nodeName ?? hostname())
    const node = allNodes.items.find(({ metadata }) => metadata.name === wanted)
    if (!node) {
      const names = allNodes.items.map(({ metadata }) => metadata.name).join(', ')
      throw new Error(
        `the cluster has no node ${wanted}, only: ${names}. Run this on a node, and name it with --node if it goes by another name.`,
      )
    }
    const [four, six] = await Promise.all([localIn(deps.exec, 'IPv4'), localIn(deps.exec, 'IPv6')])
    return {
      services: allServices.items,
      slices: slices.items,
      pods: allPods.items,
      nodes: allNodes.items,
      node,
      isLocal: (address) => (address.includes(':') ? six(address) : four(address)),
      tag: 'config' in cluster ? cluster.config.chainTag : '',
      serviceCidrs: ranges ?? [],
    }
  } finally {
    await client.close()
  }
}

async function clientOf(cluster: AskedCluster, { clock, exec }: { exec: Exec; clock: Clock }): Promise<Client> {
  if ('config' in cluster) return await adminClient(cluster.config)
  const access = await accessByKubeconfig(cluster.kubeconfig, { clock, exec })
  return httpClient({ ...access, userAgent: 'ownkube/cli', clock })
}
