import { rangesByFamily } from '../machinery/ip-address.ts'
import { bridgeName, chainNames } from './names.ts'

export type Family = 'IPv4' | 'IPv6'

export interface PodRuleOptions {
  cluster: string
  chainTag: string
  /** Addresses of all pods of the cluster, never masqueraded among one another: a range, or one of each family with a comma between. */
  podCidr: string
  /** This node's part of them, likewise. */
  nodePodCidr: string
}

/** A jump from a built-in chain into one of ours, as arguments behind -A, -C or -D. */
export interface Jump {
  readonly table: 'nat' | 'filter'
  readonly rule: readonly string[]
}

export function jumps({ cluster, chainTag }: Pick<PodRuleOptions, 'cluster' | 'chainTag'>): readonly Jump[] {
  const chains = chainNames(chainTag)
  const comment = ['-m', 'comment', '--comment', `ownkube pod network ${cluster}`]
  return [
    { table: 'nat', rule: ['POSTROUTING', ...comment, '-j', chains.masquerade] },
    // Appended: the proxy's chains, which refuse traffic to Services without endpoints, come first.
    { table: 'filter', rule: ['FORWARD', ...comment, '-j', chains.forward] },
  ]
}

/**
 * Input for the family's `iptables-restore --noflush`: fills our chains anew and adds the jumps that are missing.
 * Traffic of pods to the world takes the node's address; to pods and to the node itself it keeps its own.
 * The bridge may forward even where the policy is to drop, as on Docker's hosts.
 */
export function renderPodRules(options: PodRuleOptions, family: Family, missing: readonly Jump[]): string {
  const { masquerade, forward } = chainNames(options.chainTag)
  const bridge = bridgeName(options.cluster)
  const podCidr = rangesByFamily(options.podCidr)[family]
  const nodePodCidr = rangesByFamily(options.nodePodCidr)[family]
  const multicast = family === 'IPv4' ? '224.0.0.0/4' : 'ff00::/8'
  const added = (table: Jump['table']): string[] => missing.filter((jump) => jump.table === table).map(({ rule }) => `-A ${quoted(rule)}`)
  return [
    '*nat',
    `:${masquerade} - [0:0]`,
    `-A ${masquerade} -s ${nodePodCidr} -d ${podCidr} -j RETURN`,
    `-A ${masquerade} -s ${nodePodCidr} -d ${multicast} -j RETURN`,
    `-A ${masquerade} -s ${nodePodCidr} -j MASQUERADE --random-fully`,
    ...added('nat'),
    'COMMIT',
    '*filter',
    `:${forward} - [0:0]`,
    `-A ${forward} -i ${bridge} -j ACCEPT`,
    `-A ${forward} -o ${bridge} -j ACCEPT`,
    ...added('filter'),
    'COMMIT',
    '',
  ].join('\n')
}

const quoted = (rule: readonly string[]): string => rule.map((part) => (/\s/.test(part) ? `"${part}"` : part)).join(' ')

/** The portmap plugin's shared chains (its own names): who leaves last takes them away. */
const portmapChains = ['CNI-HOSTPORT-DNAT', 'CNI-HOSTPORT-MASQ', 'CNI-HOSTPORT-SETMARK']

/**
 * From `iptables-save -t nat`: what to feed to `iptables-restore --noflush` to remove the host ports of our network's pods that died
 * without a farewell, and the portmap plugin's own chains unless somebody else's pods use them. Undefined: nothing to do.
 */
export function renderPortmapRemoval(saved: string, network: string): string | undefined {
  const lines = saved.split('\n')
  const present = portmapChains.filter((chain) => lines.some((line) => line.startsWith(`:${chain} `)))
  if (present.length === 0) return undefined
  const hostPorts = lines.filter((line) => line.startsWith('-A CNI-HOSTPORT-DNAT '))
  // The comment reads `dnat name: "network" id: "sandbox"`, its quotes escaped.
  const ours = hostPorts.filter((line) => line.includes(`dnat name: \\"${network}\\" id: `))
  const podChains = [...new Set(ours.map(targetOf))]
  const last = ours.length === hostPorts.length
  if (!last && ours.length === 0) return undefined
  const uses = last ? lines.filter((line) => line.startsWith('-A ') && isJumpFromOutside(line, present)) : []
  const dropped = [...podChains, ...(last ? present : [])]
  return [
    '*nat',
    ...[...ours, ...uses].map((line) => line.replace(/^-A/, '-D')),
    ...dropped.map((chain) => `-F ${chain}`),
    ...dropped.map((chain) => `-X ${chain}`),
    'COMMIT',
    '',
  ].join('\n')
}

const targetOf = (line: string): string => / -j (\S+)/.exec(line)?.[1] ?? ''

/** Into a shared chain, from a chain that isn't the plugin's: its own go with their chains. */
function isJumpFromOutside(line: string, shared: readonly string[]): boolean {
  const from = line.split(' ')[1] ?? ''
  return shared.includes(targetOf(line)) && !from.startsWith('CNI-')
}
