/** What programs the rules of Services in a bench: ours in its modes, and kube-proxy's layouts. */
export interface BackEnd {
  readonly name: string
  readonly by: 'ownkube' | 'kube-proxy'
  readonly mode: 'nftables' | 'iptables'
  readonly variant?: 'nft' | 'legacy'
  /** Changes go over one open netlink socket instead of through the nft program. */
  readonly netlink?: true
  /** The sockets of pods are balanced beside the rules. */
  readonly sockets?: true
  /** Beyond this many Services a full load takes minutes: its chains cost the square of their number. 0: a load is not measured. */
  readonly loadsUpTo?: number
  /** Beyond this many it is not looked at. */
  readonly upTo?: number
}

export const backEnds: readonly BackEnd[] = [
  { name: 'ownkube nftables', by: 'ownkube', mode: 'nftables' },
  { name: 'ownkube socket-lb', by: 'ownkube', mode: 'nftables', sockets: true },
  { name: 'ownkube iptables-nft', by: 'ownkube', mode: 'iptables', variant: 'nft', loadsUpTo: 5_000, upTo: 5_000 },
  { name: 'ownkube iptables-legacy', by: 'ownkube', mode: 'iptables', variant: 'legacy', loadsUpTo: 10_000, upTo: 10_000 },
  { name: 'kube-proxy nftables', by: 'kube-proxy', mode: 'nftables', loadsUpTo: 10_000, upTo: 10_000 },
  { name: 'kube-proxy nftables-netlink', by: 'kube-proxy', mode: 'nftables', netlink: true, loadsUpTo: 0, upTo: 10_000 },
  { name: 'kube-proxy iptables-nft', by: 'kube-proxy', mode: 'iptables', variant: 'nft', loadsUpTo: 1_000, upTo: 10_000 },
  { name: 'kube-proxy iptables-legacy', by: 'kube-proxy', mode: 'iptables', variant: 'legacy', loadsUpTo: 10_000, upTo: 10_000 },
]

export function chosenBackEnds(names: readonly string[]): BackEnd[] {
  return names.map((name) => {
    const found = backEnds.find((backEnd) => backEnd.name === name)
    if (!found) throw new Error(`no such back end: ${name}; there are ${backEnds.map((backEnd) => backEnd.name).join(', ')}`)
    return found
  })
}
