import { mustRun } from '../../src/host/exec.ts'
import { type Layout, type LayoutDeps, type LayoutNode, type LayoutService, shortHash } from './layout.ts'

const tableName = 'ip kube-proxy'
const masqueradeMark = '0x4000'
/** Services that go into one transaction where the state is only to be there, whatever kube-proxy would do. */
const partSize = 250

/** kube-proxy 1.36's nftables mode: a chain a Service, reached by a map of verdicts; text through `nft -f`. */
export function nftablesLayout({ exec, node }: LayoutDeps): Layout {
  const run = async (lines: readonly string[], timeoutMs = 120_000): Promise<void> => {
    await mustRun(exec, 'nft', ['-f', '-'], { input: `${lines.join('\n')}\n`, timeoutMs })
  }
  return {
    load: (services, timeoutMs) => run([...skeleton(node), ...services.flatMap(addService)], timeoutMs),
    async loadInParts(services) {
      await run(skeleton(node))
      for (let i = 0; i < services.length; i += partSize) await run(services.slice(i, i + partSize).flatMap(addService))
    },
    async sync(changed) {
      await mustRun(exec, 'nft', ['--json', 'list', 'chains', 'ip'])
      await run(changed.flatMap(({ before, after }) => (before ? replaceEndpoints(after) : addService(after))))
    },
  }
}

export function chainName({ name, port }: LayoutService): string {
  return `service-${shortHash(`${name}:tcp:${port}`, 8)}-${name}/tcp/`
}

function addService(service: LayoutService): string[] {
  const { clusterIp, port } = service
  return [
    `add chain ${tableName} ${chainName(service)}`,
    ...replaceEndpoints(service),
    `add element ${tableName} cluster-ips { ${clusterIp} }`,
    `add element ${tableName} service-ips { ${clusterIp} . tcp . ${port} : goto ${chainName(service)} }`,
  ]
}

function replaceEndpoints(service: LayoutService): string[] {
  const chain = `${tableName} ${chainName(service)}`
  const choices = service.endpoints.map((endpoint, i) => `${i} : ${endpoint.replace(':', ' . ')}`)
  return [
    `flush chain ${chain}`,
    `add rule ${chain} meta l4proto tcp dnat ip to numgen random mod ${choices.length} map { ${choices.join(' , ')} }`,
  ]
}

/** Base chains in kube-proxy's order of hooks; what is there without any Service. */
const baseChains: readonly (readonly [name: string, type: string, hook: string, priority: number])[] = [
  ['filter-prerouting-pre-dnat', 'filter', 'prerouting', -110],
  ['filter-output-pre-dnat', 'filter', 'output', -110],
  ['nat-prerouting', 'nat', 'prerouting', -100],
  ['nat-output', 'nat', 'output', -100],
  ['filter-input', 'filter', 'input', 0],
  ['filter-forward', 'filter', 'forward', 0],
  ['filter-output', 'filter', 'output', 0],
  ['nat-postrouting', 'nat', 'postrouting', 100],
]
const otherChains = [
  'services',
  'masquerading',
  'firewall-check',
  'service-endpoints-check',
  'nodeport-endpoints-check',
  'cluster-ips-check',
  'reject-chain',
]
const jumps: readonly (readonly [from: string, rule: string])[] = [
  ['nat-prerouting', 'jump services'],
  ['nat-output', 'jump services'],
  ['nat-postrouting', 'jump masquerading'],
  ['filter-prerouting-pre-dnat', 'ct state new jump firewall-check'],
  ['filter-output-pre-dnat', 'ct state new jump firewall-check'],
  ['filter-input', 'ct state new jump nodeport-endpoints-check'],
  ['filter-input', 'ct state new jump service-endpoints-check'],
  ['filter-forward', 'ct state new jump service-endpoints-check'],
  ['filter-forward', 'ct state new jump cluster-ips-check'],
  ['filter-output', 'ct state new jump service-endpoints-check'],
  ['filter-output', 'ct state new jump cluster-ips-check'],
]
const collections: readonly string[] = [
  'set ip kube-proxy cluster-ips { type ipv4_addr ; }',
  'set ip kube-proxy nodeport-ips { type ipv4_addr ; }',
  'set ip kube-proxy hairpin-connections { type ipv4_addr . ipv4_addr . inet_proto . inet_service ; }',
  'map ip kube-proxy service-ips { type ipv4_addr . inet_proto . inet_service : verdict ; }',
  'map ip kube-proxy service-nodeports { type inet_proto . inet_service : verdict ; }',
  'map ip kube-proxy firewall-ips { type ipv4_addr . inet_proto . inet_service : verdict ; }',
  'map ip kube-proxy no-endpoint-services { type ipv4_addr . inet_proto . inet_service : verdict ; }',
  'map ip kube-proxy no-endpoint-nodeports { type inet_proto . inet_service : verdict ; }',
]
const byAddress = 'ip daddr . meta l4proto . th dport vmap'

function skeleton({ podCidr, serviceCidr, nodeAddress }: LayoutNode): string[] {
  const rules: readonly (readonly [chain: string, rule: string])[] = [
    ...jumps,
    ['services', `ip daddr @cluster-ips ip saddr != ${podCidr} meta mark set meta mark or ${masqueradeMark}`],
    ['services', `${byAddress} @service-ips`],
    ['services', 'ip daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports'],
    ['masquerading', `meta mark and ${masqueradeMark} != 0 meta mark set meta mark xor ${masqueradeMark} masquerade fully-random`],
    ['masquerading', 'ct status dnat ip saddr . ip daddr . meta l4proto . th dport @hairpin-connections masquerade fully-random'],
    ['firewall-check', `${byAddress} @firewall-ips`],
    ['service-endpoints-check', `${byAddress} @no-endpoint-services`],
    ['nodeport-endpoints-check', 'ip daddr @nodeport-ips meta l4proto . th dport vmap @no-endpoint-nodeports'],
    ['cluster-ips-check', 'ip daddr @cluster-ips reject'],
    ['cluster-ips-check', `ip daddr { ${serviceCidr} } drop`],
    ['reject-chain', 'reject'],
  ]
  return [
    `add table ${tableName}`,
    ...baseChains.map(
      ([name, type, hook, priority]) => `add chain ${tableName} ${name} { type ${type} hook ${hook} priority ${priority} ; }`,
    ),
    ...otherChains.map((name) => `add chain ${tableName} ${name}`),
    ...collections.map((text) => `add ${text}`),
    ...rules.map(([chain, rule]) => `add rule ${tableName} ${chain} ${rule}`),
    `add element ${tableName} nodeport-ips { ${nodeAddress} }`,
  ]
}
