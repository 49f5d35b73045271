import { type Match, only, type Rule, type Target, type TransportProtocol } from '../../netfilter/rules.ts'
import type { EndpointChoice } from '../choose-endpoints.ts'
import { reachableFromOutside } from '../choose-endpoints.ts'
import type { ProxiedEndpoint, ProxiedPort } from '../service-port.ts'
import type { PodTraffic } from '../service-rules.ts'
import type { ChainNames } from './chain-names.ts'

/** What one Service port adds to the rules. The parts of all ports together make the rule set. */
export interface PortRules {
  /** nat KUBE-SERVICES. */
  readonly services: readonly Rule[]
  /** nat KUBE-NODEPORTS. */
  readonly nodePorts: readonly Rule[]
  /** nat, chains of its own. */
  readonly chains: ReadonlyMap<string, readonly Rule[]>
  /** filter KUBE-SERVICES: refusals of the cluster address. */
  readonly refusals: readonly Rule[]
  /** filter KUBE-EXTERNAL-SERVICES: refusals of node ports and outside addresses. */
  readonly externalRefusals: readonly Rule[]
  /** filter KUBE-PROXY-FIREWALL: who is not in the source ranges. */
  readonly firewall: readonly Rule[]
}

export interface RuleContext {
  readonly chains: ChainNames
  readonly podTraffic: PodTraffic | undefined
  readonly masqueradeAll: boolean
}

const comment = (text: string): Match => ({ type: 'comment', text })
const jump = (chain: string, ...matches: Match[]): Rule => ({ matches, target: { type: 'jump', chain } })

export function portRules(port: ProxiedPort, choice: EndpointChoice, context: RuleContext): PortRules {
  const { chains } = context
  const own = new Map<string, readonly Rule[]>()
  const internal = port.internalPolicy === 'Local' ? choice.local : choice.cluster
  const external = port.externalPolicy === 'Local' ? choice.local : choice.cluster
  const outside = reachableFromOutside(port) && choice.any
  const serviceChain = chains.service(port.name, port.protocol)
  const localChain = chains.localService(port.name, port.protocol)
  if (choice.cluster.length > 0) own.set(serviceChain, balance(port, choice.cluster, 'Cluster', context))
  if (choice.local.length > 0) own.set(localChain, balance(port, choice.local, 'Local', context))
  if (outside) own.set(chains.external(port.name, port.protocol), externalRules(port, choice, context))
  if (outside && port.sourceRanges.length > 0 && port.loadBalancerIps.length > 0) {
    own.set(chains.sourceRanges(port.name, port.protocol), sourceRangeRules(port, chains))
  }
  for (const endpoint of new Set([...choice.cluster, ...choice.local])) {
    own.set(endpointChain(port, endpoint, chains), endpointRules(port, endpoint, chains))
  }
  return {
    ...frontRules(port, { internal: internal.length > 0, outside }, context),
    chains: own,
    ...refusalRules(port, { any: choice.any, internal: internal.length > 0, external: external.length > 0 }),
    firewall: port.sourceRanges.length === 0 ? [] : port.loadBalancerIps.map((address) => firewallRule(port, address)),
  }
}

function fromPods(traffic: PodTraffic): Extract<Match, { type: 'source' | 'interface' }> {
  return traffic.by === 'source' ? { type: 'source', cidr: traffic.cidr } : { type: 'interface', name: traffic.name.replace(/\*$/, '+') }
}

function arriving(port: ProxiedPort, address: string, note: string): Match[] {
  return [
    { type: 'destination', cidr: only(address) },
    { type: 'protocol', protocol: port.protocol, port: port.port },
    comment(`${port.name} ${note}`),
  ]
}

function frontRules(
  port: ProxiedPort,
  has: { internal: boolean; outside: boolean },
  { chains }: RuleContext,
): Pick<PortRules, 'services' | 'nodePorts'> {
  const services: Rule[] = []
  const nodePorts: Rule[] = []
  const inner = port.internalPolicy === 'Local' ? chains.localService : chains.service
  if (has.internal) services.push(jump(inner(port.name, port.protocol), ...arriving(port, port.clusterIp, 'cluster IP')))
  if (!has.outside) return { services, nodePorts }
  const externalChain = chains.external(port.name, port.protocol)
  const balancerChain = port.sourceRanges.length > 0 ? chains.sourceRanges(port.name, port.protocol) : externalChain
  for (const address of port.externalIps) services.push(jump(externalChain, ...arriving(port, address, 'external IP')))
  for (const address of port.loadBalancerIps) services.push(jump(balancerChain, ...arriving(port, address, 'loadbalancer IP')))
  if (port.nodePort !== undefined) {
    nodePorts.push(jump(externalChain, { type: 'protocol', protocol: port.protocol, port: port.nodePort }, comment(port.name)))
  }
  return { services, nodePorts }
}

/**
 * n endpoints: the first takes one in n, the next one in n-1 of what is left, and so on: equal shares. With affinity
 * a client that came lately goes where it went. What comes to the cluster address from no pod is masqueraded, for
 * only then does the answer come back through this node.
 */
function balance(port: ProxiedPort, endpoints: readonly ProxiedEndpoint[], policy: 'Cluster' | 'Local', context: RuleContext): Rule[] {
  const { chains, podTraffic, masqueradeAll } = context
  const rules: Rule[] = []
  if (port.internalPolicy === policy) {
    const here = arriving(port, port.clusterIp, 'cluster IP')
    if (masqueradeAll) rules.push(jump(chains.markMasquerade, ...here))
    else if (podTraffic) rules.push(jump(chains.markMasquerade, { ...fromPods(podTraffic), not: true }, ...here))
  }
  const note = (endpoint: ProxiedEndpoint): Match => comment(`${port.name} -> ${endpoint.address}:${endpoint.port}`)
  if (port.affinitySeconds !== undefined) {
    for (const endpoint of endpoints) {
      const list = endpointChain(port, endpoint, chains)
      rules.push(jump(list, note(endpoint), { type: 'seenRecently', list, seconds: port.affinitySeconds }))
    }
  }
  endpoints.forEach((endpoint, i) => {
    const parts = endpoints.length - i
    const share: Match[] = parts > 1 ? [{ type: 'oneIn', parts }] : []
    rules.push(jump(endpointChain(port, endpoint, chains), note(endpoint), ...share))
  })
  return rules
}

/** Local keeps the client's address by going to this node's endpoints only; pods and the host itself need not suffer for it. */
function externalRules(port: ProxiedPort, choice: EndpointChoice, { chains, podTraffic }: RuleContext): Rule[] {
  const serviceChain = chains.service(port.name, port.protocol)
  const note = comment(`${port.name} external destinations`)
  if (port.externalPolicy === 'Cluster') return [jump(chains.markMasquerade, note), jump(serviceChain)]
  const rules: Rule[] = []
  if (choice.cluster.length > 0) {
    if (podTraffic) rules.push(jump(serviceChain, fromPods(podTraffic), comment(`pod traffic for ${port.name} external destinations`)))
    rules.push(
      jump(chains.markMasquerade, { type: 'sourceIsLocal' }, comment(`host traffic for ${port.name} external destinations`)),
      jump(serviceChain, { type: 'sourceIsLocal' }, comment(`host traffic for ${port.name} external destinations`)),
    )
  }
  if (choice.local.length > 0) rules.push(jump(chains.localService(port.name, port.protocol)))
  return rules
}

function sourceRangeRules(port: ProxiedPort, chains: ChainNames): Rule[] {
  const externalChain = chains.external(port.name, port.protocol)
  return port.sourceRanges.map((cidr) => jump(externalChain, { type: 'source', cidr }, comment(`${port.name} loadbalancer IP`)))
}

/** Only what no range let through to be translated still has the balancer's address here. */
function firewallRule(port: ProxiedPort, address: string): Rule {
  return { matches: arriving(port, address, 'traffic not accepted by its source ranges'), target: { type: 'drop' } }
}

function endpointChain(port: ProxiedPort, endpoint: ProxiedEndpoint, chains: ChainNames): string {
  return chains.endpoint(port.name, port.protocol, `${endpoint.address}:${endpoint.port}`)
}

/** A pod that reaches itself must see another source, or it would answer itself directly. */
function endpointRules(port: ProxiedPort, endpoint: ProxiedEndpoint, chains: ChainNames): Rule[] {
  const affinity: Match[] = port.affinitySeconds === undefined ? [] : [{ type: 'noteSource', list: endpointChain(port, endpoint, chains) }]
  return [
    jump(chains.markMasquerade, { type: 'source', cidr: only(endpoint.address) }, comment(port.name)),
    {
      matches: [{ type: 'protocol', protocol: port.protocol }, comment(port.name), ...affinity],
      target: { type: 'dnat', address: endpoint.address, port: endpoint.port },
    },
  ]
}

/** ICMP is rate-limited, and IPv6 takes a second to believe it while connecting: TCP gets a reset. */
export function refusal(protocol: TransportProtocol): Target {
  return protocol === 'tcp' ? { type: 'reject', with: 'tcp-reset' } : { type: 'reject' }
}

/** Nobody anywhere: refuse. Somebody, but not for this policy here: drop, as another node may answer. */
function refusalRules(
  port: ProxiedPort,
  has: { any: boolean; internal: boolean; external: boolean },
): Pick<PortRules, 'refusals' | 'externalRefusals'> {
  const note = has.any ? 'has no local endpoints' : 'has no endpoints'
  const target = has.any ? ({ type: 'drop' } as const) : refusal(port.protocol)
  const refuse = (address: string): Rule => ({ matches: arriving(port, address, note), target })
  const externalRefusals: Rule[] = []
  if (!has.external) {
    externalRefusals.push(...[...port.externalIps, ...port.loadBalancerIps].map(refuse))
    if (port.nodePort !== undefined) {
      externalRefusals.push({
        matches: [
          { type: 'protocol', protocol: port.protocol, port: port.nodePort },
          { type: 'destinationIsLocal' },
          comment(`${port.name} ${note}`),
        ],
        target,
      })
    }
  }
  return { refusals: has.internal ? [] : [refuse(port.clusterIp)], externalRefusals }
}
