import { bridgeName, chainNames } from './names.ts'

export interface PodRuleOptions {
  cluster: string
  chainTag: string
  /** Addresses of all pods of the cluster: never masqueraded among one another. */
  podCidr: string
  /** This node's part of them. */
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
 * Input for `iptables-restore --noflush`: fills our chains anew and adds the jumps that are missing.
 * Traffic of pods to the world takes the node's address; to pods and to the node itself it keeps its own.
 * The bridge may forward even where the policy is to drop, as on Docker's hosts.
 */
export function renderPodRules(options: PodRuleOptions, missing: readonly Jump[]): string {
  const { masquerade, forward } = chainNames(options.chainTag)
  const bridge = bridgeName(options.cluster)
  const { podCidr, nodePodCidr } = options
  const added = (table: Jump['table']): string[] => missing.filter((jump) => jump.table === table).map(({ rule }) => `-A ${quoted(rule)}`)
  return [
    '*nat',
    `:${masquerade} - [0:0]`,
    `-A ${masquerade} -s ${nodePodCidr} -d ${podCidr} -j RETURN`,
    `-A ${masquerade} -s ${nodePodCidr} -d 224.0.0.0/4 -j RETURN`,
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
export const portmapChains = ['CNI-HOSTPORT-DNAT', 'CNI-HOSTPORT-MASQ', 'CNI-HOSTPORT-SETMARK']

/**
 * From `iptables-save -t nat`: what to feed to `iptables-restore --noflush` to remove the portmap plugin's chains,
 * or undefined while some pod on the machine still has a host port, or where there are none.
 */
export function renderPortmapRemoval(saved: string): string | undefined {
  const lines = saved.split('\n')
  const present = portmapChains.filter((chain) => lines.some((line) => line.startsWith(`:${chain} `)))
  if (present.length === 0 || lines.some((line) => line.startsWith('-A CNI-HOSTPORT-DNAT ') || /^:CNI-DN-/.test(line))) return undefined
  const uses = lines.filter((line) => {
    const target = / -j (\S+)/.exec(line)?.[1] ?? ''
    return line.startsWith('-A ') && present.includes(target) && !present.includes(line.split(' ')[1] ?? '')
  })
  const flush = present.map((chain) => `-F ${chain}`)
  const drop = present.map((chain) => `-X ${chain}`)
  return ['*nat', ...uses.map((line) => line.replace(/^-A/, '-D')), ...flush, ...drop, 'COMMIT', ''].join('\n')
}
