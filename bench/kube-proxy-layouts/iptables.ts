import { mustRun } from '../../src/host/exec.ts'
import { type Layout, type LayoutDeps, type LayoutNode, type LayoutService, shortHash } from './layout.ts'

/** With more endpoints than this kube-proxy leaves comments out and looks for stale chains only once in a while. */
const largeFrom = 1000

/** kube-proxy's iptables mode: chains of the known names; each sync sends KUBE-SERVICES whole, and the chains of changed Services. */
export function iptablesLayout({ exec, node, variant }: LayoutDeps & { readonly variant: 'nft' | 'legacy' }): Layout {
  const restore = async (lines: readonly string[], timeoutMs = 120_000): Promise<void> => {
    await mustRun(exec, `iptables-${variant}-restore`, ['--wait', '5', '--noflush', '--counters'], {
      input: `${lines.join('\n')}\n`,
      timeoutMs,
    })
  }
  const isLarge = (services: Iterable<LayoutService>): boolean => {
    let endpoints = 0
    for (const service of services) endpoints += service.endpoints.length
    return endpoints > largeFrom
  }
  return {
    async load(services, timeoutMs) {
      const large = isLarge(services)
      await restore(hooks)
      await restore(transaction(node, { all: services, changed: services, stale: [], large }), timeoutMs)
    },
    async loadInParts(services) {
      const large = isLarge(services)
      await restore(hooks)
      await restore(transaction(node, { all: services, changed: services, stale: [], large, byName: true }))
    },
    async sync(changed, all) {
      const large = isLarge(all.values())
      if (!large) await mustRun(exec, `iptables-${variant}-save`, ['-t', 'nat'])
      const stale = changed.flatMap(({ before, after }) => {
        const kept = new Set(after.endpoints)
        return (before?.endpoints ?? []).filter((endpoint) => !kept.has(endpoint)).map((endpoint) => endpointChain(after, endpoint))
      })
      const services = changed.map(({ after }) => after)
      // Where the cluster is large, chains gone stale stay until a later sweep.
      await restore(transaction(node, { all: [...all.values()], changed: services, stale: large ? [] : stale, large }))
    },
  }
}

const hooks = [
  '*nat',
  ...['KUBE-SERVICES', 'KUBE-POSTROUTING'].map((chain) => `:${chain} - [0:0]`),
  '-I PREROUTING 1 -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
  '-I OUTPUT 1 -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
  '-I POSTROUTING 1 -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING',
  'COMMIT',
  '*filter',
  ...['KUBE-SERVICES', 'KUBE-EXTERNAL-SERVICES', 'KUBE-FORWARD', 'KUBE-PROXY-FIREWALL', 'KUBE-NODEPORTS'].map(
    (chain) => `:${chain} - [0:0]`,
  ),
  '-I FORWARD 1 -m conntrack --ctstate NEW -j KUBE-EXTERNAL-SERVICES',
  '-I FORWARD 1 -m conntrack --ctstate NEW -j KUBE-SERVICES',
  '-I FORWARD 1 -j KUBE-FORWARD',
  '-I FORWARD 1 -m conntrack --ctstate NEW -j KUBE-PROXY-FIREWALL',
  '-I INPUT 1 -j KUBE-NODEPORTS',
  '-I INPUT 1 -m conntrack --ctstate NEW -j KUBE-EXTERNAL-SERVICES',
  '-I INPUT 1 -m conntrack --ctstate NEW -j KUBE-PROXY-FIREWALL',
  '-I OUTPUT 1 -m conntrack --ctstate NEW -j KUBE-SERVICES',
  '-I OUTPUT 1 -m conntrack --ctstate NEW -j KUBE-PROXY-FIREWALL',
  'COMMIT',
]

const serviceChain = ({ name }: LayoutService): string => `KUBE-SVC-${shortHash(`${name}:tcp`, 16)}`
const endpointChain = ({ name }: LayoutService, endpoint: string): string => `KUBE-SEP-${shortHash(`${name}:tcp${endpoint}`, 16)}`
const comment = (text: string, large: boolean): string => (large ? '' : `-m comment --comment "${text}" `)

interface Sync {
  /** Listed in KUBE-SERVICES. */
  readonly all: readonly LayoutService[]
  /** Whose chains are written. */
  readonly changed: readonly LayoutService[]
  /** Chains that go. */
  readonly stale: readonly string[]
  readonly large: boolean
  /** Chains in order of their names are what iptables-nft takes in quickly; kube-proxy has them in no order. */
  readonly byName?: boolean
}

function transaction(node: LayoutNode, { all, changed, stale, large, byName = false }: Sync): string[] {
  const chains = [
    ...['KUBE-SERVICES', 'KUBE-NODEPORTS', 'KUBE-POSTROUTING', 'KUBE-MARK-MASQ'],
    ...changed.flatMap((service) => [serviceChain(service), ...service.endpoints.map((endpoint) => endpointChain(service, endpoint))]),
    ...stale,
  ]
  const filterChains = ['KUBE-SERVICES', 'KUBE-EXTERNAL-SERVICES', 'KUBE-FORWARD', 'KUBE-NODEPORTS', 'KUBE-PROXY-FIREWALL']
  return [
    '*filter',
    ...filterChains.map((chain) => `:${chain} - [0:0]`),
    '-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP',
    '-A KUBE-FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT',
    '-A KUBE-FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
    'COMMIT',
    '*nat',
    ...(byName ? chains.sort() : chains).map((chain) => `:${chain} - [0:0]`),
    '-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN',
    '-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000',
    '-A KUBE-POSTROUTING -j MASQUERADE --random-fully',
    '-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000',
    ...all.map(
      (service) =>
        `-A KUBE-SERVICES ${comment(`${service.name} cluster IP`, large)}-m tcp -p tcp -d ${service.clusterIp} --dport ${service.port} -j ${serviceChain(service)}`,
    ),
    ...changed.flatMap((service) => serviceRules(node, service, large)),
    `-A KUBE-SERVICES -d ${node.nodeAddress} -j KUBE-NODEPORTS`,
    ...stale.map((chain) => `-X ${chain}`),
    'COMMIT',
  ]
}

function serviceRules({ podCidr }: LayoutNode, service: LayoutService, large: boolean): string[] {
  const { name, clusterIp, port, endpoints } = service
  const chain = serviceChain(service)
  return [
    `-A ${chain} ${comment(`${name} cluster IP`, large)}-m tcp -p tcp -d ${clusterIp} --dport ${port} ! -s ${podCidr} -j KUBE-MARK-MASQ`,
    ...endpoints.map((endpoint, i) => {
      const left = endpoints.length - i
      const chance = left > 1 ? `-m statistic --mode random --probability ${(1 / left).toFixed(10)} ` : ''
      return `-A ${chain} ${comment(`${name} -> ${endpoint}`, large)}${chance}-j ${endpointChain(service, endpoint)}`
    }),
    ...endpoints.flatMap((endpoint) => [
      `-A ${endpointChain(service, endpoint)} ${comment(name, large)}-s ${endpoint.split(':')[0]} -j KUBE-MARK-MASQ`,
      `-A ${endpointChain(service, endpoint)} ${comment(name, large)}-m tcp -p tcp -j DNAT --to-destination ${endpoint}`,
    ]),
  ]
}
