import { isIPv6 } from 'node:net'
import { balancedAt } from '../../bpf/balanced-at.ts'
import { unifiedCgroup } from '../../cri/unified-cgroup.ts'
import type { Clock } from '../../host/clock.ts'
import type { Exec } from '../../host/exec.ts'
import { contains } from '../../netfilter/address-range.ts'
import { openNftables } from '../../netfilter/nftables/open-nftables.ts'
import { hostAndPort, type TransportProtocol } from '../../netfilter/rules.ts'
import type { Packet } from '../../netfilter/trace.ts'
import { type Explanation, explain, podAt } from '../../proxy/tracing/explain.ts'
import { frontendAt } from '../../proxy/tracing/frontend-at.ts'
import { type Way, waysThrough } from '../../proxy/tracing/ways-through.ts'
import { cgroupRootOf } from '../agent.ts'
import { type AskedCluster, factsOf } from './asked-cluster.ts'
import { type AskedClient, type AskedTarget, addressOf, clientNamed, targetNamed } from './places.ts'

export interface TraceQuestion {
  readonly client: string
  readonly target: string
  readonly protocol: TransportProtocol | undefined
  readonly six: boolean
}

export interface TraceAnswer extends Explanation {
  readonly client: AskedClient
  readonly target: AskedTarget
  /** The pod's socket is sent to an endpoint as it connects: no packet bears the target's address. */
  readonly atSocket: boolean
}

/** Where a pod's socket is sent as it connects, before any packet is there; undefined: not by its socket. */
async function balancedWays(cluster: AskedCluster, client: AskedClient, target: AskedTarget): Promise<Way[] | undefined> {
  const { protocol, address, port } = target
  if (!('config' in cluster) || !cluster.config.socketLb || protocol === 'sctp') return undefined
  const cgroup = await unifiedCgroup(cgroupRootOf(cluster.config.name))
  const found = cgroup && balancedAt(cgroup.path, protocol, { address, port }, client.address)
  // A frontend without endpoints is left to the rules beneath, which refuse or drop.
  if (!found || found.endpoints.length === 0) return undefined
  const endpoints = found.pinnedTo ? [found.pinnedTo] : found.endpoints
  return endpoints.map((endpoint) => ({
    probability: 1 / endpoints.length,
    verdict: 'arrives',
    to: hostAndPort(endpoint.address, endpoint.port),
    masqueraded: false,
    steps: [
      {
        chain: 'connect()',
        comment: 'balanced at the socket, no packet is rewritten',
        did: [`connects to ${hostAndPort(endpoint.address, endpoint.port)}`],
      },
    ],
    notUnderstood: [],
  }))
}

/** An answer, and what following real packets needs besides. */
export interface Traced {
  readonly answer: TraceAnswer
  /** `default/web-1`: the pod that had an address when the question was asked. */
  podAt(address: string): string | undefined
}

/** Asks the kernel where the first packet of a connection goes. Throws NoSuchPlaceError for what can't be asked about. */
export async function traced(question: TraceQuestion, cluster: AskedCluster, deps: { exec: Exec; clock: Clock }): Promise<Traced> {
  const facts = await factsOf(cluster, deps)
  const target = targetNamed(question.target, { ...question, six: question.six || isIPv6(question.target) }, facts)
  const client = clientNamed(question.client, target, facts)
  const packet: Packet = {
    from: client.from,
    protocol: target.protocol,
    source: client.address,
    destination: target.address,
    port: target.port,
  }
  const node = { name: facts.node.metadata.name, zone: facts.node.metadata.labels?.['topology.kubernetes.io/zone'] }
  const frontend = frontendAt({ ...facts, node }, target)
  const balanced = client.isPod ? await balancedWays(cluster, client, target) : undefined
  const ways = balanced ?? (await waysThrough(packet, facts.isLocal, { exec: deps.exec, openNftables: openNftables(deps), tag: facts.tag }))
  const isServiceAddress = facts.serviceCidrs.some((cidr) => contains(cidr, target.address))
  const isFromHere = client.isPod || client.from === 'host'
  const nodeAddress = addressOf(facts.node, target.address.includes(':'))
  const explanation = explain({ packet, frontend, ways, pods: facts.pods, node: node.name, nodeAddress, isFromHere, isServiceAddress })
  const atSocket = balanced !== undefined
  const how = atSocket ? ["chosen at the pod's socket, as it connects (--socket-lb)"] : []
  return {
    answer: { client, target, atSocket, ...explanation, facts: [...explanation.facts, ...how] },
    podAt(address) {
      const pod = podAt(facts.pods, address)
      return pod && `${pod.metadata.namespace}/${pod.metadata.name}`
    },
  }
}
