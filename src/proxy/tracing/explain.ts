import type { Pod } from '../../api/generated/types.ts'
import { hostAndPort } from '../../netfilter/rules.ts'
import type { Packet } from '../../netfilter/trace.ts'
import type { FoundFrontend } from './frontend-at.ts'
import type { Way, WayStep } from './ways-through.ts'

/** Where a packet goes and why, in plain words. */
export interface Explanation {
  /** What the destination is: a Service's address of some kind, or no Service's. */
  readonly destination: string
  /** What of the Service decides: its policy, endpoints, affinity, source ranges. */
  readonly facts: readonly string[]
  readonly ways: readonly ExplainedWay[]
  /** What to keep in mind, or to do. */
  readonly notes: readonly string[]
}

export interface ExplainedWay {
  /** Of all connections, 0 to 1. */
  readonly share: number
  /** `pod default/web-1 10.244.0.5:8080 on node-1`, or what becomes of the packet. */
  readonly goesTo: string
  readonly source: string
  readonly rules: readonly string[]
}

interface Context {
  readonly packet: Packet
  readonly frontend: FoundFrontend | undefined
  readonly ways: readonly Way[]
  readonly pods: readonly Pod[]
  readonly node: string
  /** The client is a pod of this node or the node itself, whom the external policy does not concern. */
  readonly isFromHere: boolean
  /** Addresses of all Services of the cluster contain the destination. */
  readonly isServiceAddress: boolean
  /** This node's own, of the packet's family. */
  readonly nodeAddress: string | undefined
}

export function explain(context: Context): Explanation {
  return {
    destination: destinationText(context),
    facts: factsOf(context),
    ways: context.ways.map((way) => explained(way, context)),
    notes: notesOf(context),
  }
}

function destinationText({ frontend, isServiceAddress, packet }: Context): string {
  if (frontend) return `the ${frontend.kind} of Service ${frontend.port.name} (${frontend.port.protocol.toUpperCase()})`
  if (isServiceAddress) return `in the range of cluster addresses, but no Service has port ${packet.port}/${packet.protocol} there`
  return 'no address of a Service'
}

function factsOf({ frontend, node, isFromHere }: Context): string[] {
  if (!frontend) return []
  const { port, choice, kind } = frontend
  const policy = kind === 'cluster address' ? port.internalPolicy : port.externalPolicy
  const field = kind === 'cluster address' ? 'internalTrafficPolicy' : 'externalTrafficPolicy'
  const isSpared = isFromHere && kind !== 'cluster address'
  const ready = port.endpoints.filter((endpoint) => endpoint.ready)
  const ending = port.endpoints.filter((endpoint) => endpoint.terminating && endpoint.serving)
  const here = ready.filter(({ nodeName }) => nodeName === node).length
  const facts = [
    `${field} ${policy}${policy === 'Local' ? (isSpared ? ', but not for what pods of this node and the node itself send' : `: only endpoints on ${node}`) : ''}`,
    `endpoints: ${port.endpoints.length}, of which ${ready.length} ready (${here} on this node)${ending.length > 0 ? `, ${ending.length} ending but still serving` : ''}`,
  ]
  if (ready.length === 0 && choice.any) facts.push('none is ready, so those that are ending and still serve are used')
  if (choice.cluster.length > 0 && choice.cluster.length < ready.length)
    facts.push(`hints narrow the choice to ${choice.cluster.length} near ones (trafficDistribution)`)
  if (port.affinitySeconds !== undefined)
    facts.push(`sessionAffinity ClientIP: a client stays with its endpoint until ${port.affinitySeconds} s after its last connection`)
  if (port.sourceRanges.length > 0 && kind === 'load balancer address')
    facts.push(`loadBalancerSourceRanges: ${port.sourceRanges.join(', ')}`)
  return facts
}

function explained(way: Way, context: Context): ExplainedWay {
  return { share: way.probability, goesTo: goesTo(way, context), source: sourceText(way, context), rules: way.steps.map(stepText) }
}

function goesTo(way: Way, context: Context): string {
  if (way.verdict === 'dropped') return `dropped${becauseOf(way, context)}`
  if (way.verdict === 'rejected')
    return `rejected${way.rejectedWith ? ` (${rejectionText(way.rejectedWith, context.packet)})` : ''}${becauseOf(way, context)}`
  const address = way.to.replace(/:\d+$/, '').replace(/^\[|\]$/g, '')
  const pod = podAt(context.pods, address)
  const untouched = address === context.packet.destination
  if (pod) return `pod ${pod.metadata.namespace}/${pod.metadata.name}, ${way.to} on ${pod.spec.nodeName}`
  return untouched ? `${way.to}, untranslated` : way.to
}

/** Pods in the host's network share its address, so that it tells none of them. */
export function podAt(pods: readonly Pod[], address: string): Pod | undefined {
  return pods.find(({ status, spec }) => !spec.hostNetwork && (status?.podIPs ?? []).some(({ ip }) => ip === address))
}

/** `icmp 3` is the same as ICMPv6's 4, and as nftables' own 1 for either. */
function rejectionText(rejectedWith: string, { destination }: Packet): string {
  const portUnreachable = [destination.includes(':') ? 'icmp 4' : 'icmp 3', 'icmpx 1']
  return portUnreachable.includes(rejectedWith) ? 'ICMP port unreachable' : rejectedWith
}

/** Why nothing answers: the Service's state, or the rule that decided. */
function becauseOf(way: Way, { frontend, isServiceAddress }: Context): string {
  if (frontend) {
    const { port, choice, kind } = frontend
    const guard = way.steps.find(({ comment }) => comment === 'not in the source ranges')
    if (guard) return ': the client is in none of the loadBalancerSourceRanges'
    if (!choice.any) return `: ${port.name} has no ready endpoint anywhere`
    const policy = kind === 'cluster address' ? port.internalPolicy : port.externalPolicy
    if (policy === 'Local' && choice.local.length === 0) return `: the policy is Local and no endpoint of ${port.name} is on this node`
  } else if (isServiceAddress) return ': there is no such Service port'
  const last = way.steps.at(-1)
  return last ? `: by a rule of chain ${last.chain}${last.comment ? ` (${last.comment})` : ''}` : ''
}

function sourceText(way: Way, { packet }: Context): string {
  if (way.verdict !== 'arrives') return '-'
  return way.masqueraded ? 'masqueraded: the endpoint sees this node' : `kept: the endpoint sees ${packet.source}`
}

function stepText({ chain, comment, matched, did }: WayStep): string {
  return `${chain}${comment ? ` "${comment}"` : matched ? ` (${matched})` : ''}: ${did.join(', ')}`
}

function notesOf(context: Context): string[] {
  const { ways, frontend, packet } = context
  const notes = [...new Set(ways.flatMap(({ notUnderstood }) => notUnderstood))].map(
    (rule) => `a rule that this command does not understand may change this: ${rule}`,
  )
  if (!frontend) return notes
  const { port, kind } = frontend
  if (ways.some(({ pinUnknown }) => pinUnknown))
    notes.push("affinity: which endpoint this client is pinned to isn't known here; the shares are a new client's")
  notes.push(...outsideNotes(frontend, context))
  const total = port.endpoints.length
  if (total === 0)
    notes.push(`${port.name} selects no pod: compare its selector with the pods' labels ('kubectl get endpointslices' shows what it finds)`)
  else if (port.endpoints.every((endpoint) => !endpoint.ready))
    notes.push(`no pod of ${port.name} is ready: 'kubectl describe pod' tells what its readiness waits for`)
  if (kind === 'node port' && packet.destination.startsWith('127.'))
    notes.push('node ports at localhost answer processes of this node alone')
  return notes
}

/** Who asks from outside about a Service by its name seldom means the address that only the cluster has. */
function outsideNotes({ port, kind }: FoundFrontend, { isFromHere, nodeAddress }: Context): string[] {
  if (isFromHere || kind !== 'cluster address') return []
  const nodePort = port.nodePort !== undefined && nodeAddress !== undefined ? [hostAndPort(nodeAddress, port.nodePort)] : []
  const others = [...port.loadBalancerIps, ...port.externalIps].map((address) => hostAndPort(address, port.port))
  const asked = [...nodePort, ...others]
  if (asked.length === 0) return []
  return [`this is the cluster address, which clients outside seldom use: ask about ${asked.join(' or ')} for what they meet`]
}
