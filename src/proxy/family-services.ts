import type { Exec } from '../host/exec.ts'
import { localAddresses } from '../netfilter/local-addresses.ts'
import type { ProxyCounts } from './metrics.ts'
import type { NodeFacts } from './node-watch.ts'
import type { AddressFamily } from './service-port.ts'
import type { PodTraffic, RuleSettings, ServiceRules } from './service-rules.ts'
import type { ServiceTable } from './service-table.ts'

/** The addresses of one family that a cluster and this node of it have. */
export interface ProxyFamily {
  readonly family: AddressFamily
  /** On which node ports answer: `primary` (the Node object's own address), or addresses and ranges; none: every address of the node. */
  readonly nodePortAddresses: readonly string[]
  /** How pods' own traffic is known: usually by the addresses of all pods of the cluster, such as 10.244.0.0/16. `node`: the Node's podCIDRs. */
  readonly podTraffic?: PodTraffic | 'node' | undefined
  /** Cluster addresses beside those that ServiceCIDRs tell, such as 10.96.0.0/16: ones that no Service has are refused instead of leaking out. */
  readonly serviceCidr?: string | undefined
}

/** What of the settings may change while the proxy runs. */
export type ChangingSettings = Pick<RuleSettings, 'nodePortAddresses' | 'podTraffic' | 'serviceCidrs'>

/** What in the settings follows from the node. Before its address is known, node ports answer at localhost alone. */
export function settingsOnNode(family: ProxyFamily, node: NodeFacts): Omit<ChangingSettings, 'serviceCidrs'> {
  const six = family.family === 'IPv6'
  const primary = node.addresses[family.family] ?? (six ? '::1' : '127.0.0.1')
  const cidr = node.podCidrs.find((each) => each.includes(':') === six)
  return {
    nodePortAddresses: family.nodePortAddresses.map((each) => (each === 'primary' ? primary : each)),
    podTraffic: family.podTraffic === 'node' ? (cidr === undefined ? undefined : { by: 'source', cidr }) : family.podTraffic,
  }
}

const settingsNow = (deps: FamilyServicesDeps): ChangingSettings => ({
  ...settingsOnNode(deps.family, deps.node()),
  serviceCidrs: deps.serviceCidrs(),
})

interface FamilyServicesDeps {
  readonly family: ProxyFamily
  readonly table: ServiceTable
  readonly exec: Exec
  node(): NodeFacts
  serviceCidrs(): readonly string[]
  open(settings: ChangingSettings): Promise<ServiceRules>
}

/** What the loop keeps for one address family: the table, and rules that are opened anew when what they depend on of the node, or the ranges of Services, changes. */
export class FamilyServices {
  readonly #deps: FamilyServicesDeps
  #settings: ChangingSettings
  #rules: ServiceRules

  private constructor(deps: FamilyServicesDeps, settings: ChangingSettings, rules: ServiceRules) {
    this.#deps = deps
    this.#settings = settings
    this.#rules = rules
  }

  static async open(deps: FamilyServicesDeps): Promise<FamilyServices> {
    const settings = settingsNow(deps)
    return new FamilyServices(deps, settings, await deps.open(settings))
  }

  get table(): ServiceTable {
    return this.#deps.table
  }

  get rules(): ServiceRules {
    return this.#rules
  }

  /** True: the rules were opened anew, and know of no Service yet. What is in the kernel they take over. */
  async refresh(): Promise<boolean> {
    const settings = settingsNow(this.#deps)
    if (JSON.stringify(settings) === JSON.stringify(this.#settings)) return false
    const rules = await this.#deps.open(settings)
    this.#rules.close()
    this.#rules = rules
    this.#settings = settings
    return true
  }

  /** The addresses at which node ports answer, as they are now. */
  nodePortAddresses(): Promise<readonly string[]> {
    return localAddresses(this.#deps.exec, this.#deps.family.family, this.#settings.nodePortAddresses)
  }

  counts(): ProxyCounts {
    const { family } = this.#deps.family
    return { family, rules: this.#rules.counts(), noLocal: this.table.noLocal() }
  }

  /** Where to listen for what node ports are asked: every address, or those alone. */
  async listenHosts(): Promise<readonly string[]> {
    if (this.#settings.nodePortAddresses.length === 0) return [this.#deps.family.family === 'IPv4' ? '0.0.0.0' : '::']
    return await this.nodePortAddresses()
  }
}
