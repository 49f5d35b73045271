import type { Node } from '../api/generated/types.ts'
import { nodes } from '../api/registry.ts'
import type { Informer, InformerDeps } from '../client/informer.ts'
import { startInformer } from '../client/informer.ts'
import { canonicalIp } from '../machinery/ip-address.ts'
import type { AddressFamily } from './service-port.ts'

/** What the proxy has to know of its node, as the Node object tells it. */
export interface NodeFacts {
  /** topology.kubernetes.io/zone */
  readonly zone: string | undefined
  /** The node's own address of each family: its InternalIP, else its ExternalIP. */
  readonly addresses: Readonly<Partial<Record<AddressFamily, string>>>
  readonly podCidrs: readonly string[]
  /** False once the node is going away: load balancers shall send nothing new here, while what is under way goes on. */
  readonly eligible: boolean
}

/** Set by the cluster autoscaler on nodes that it is about to remove. */
const toBeDeletedTaint = 'ToBeDeletedByClusterAutoscaler'

/** Before the Node is known everything counts as well. */
const unknownNode: NodeFacts = { zone: undefined, addresses: {}, podCidrs: [], eligible: true }

export function factsOf(node: Node | undefined): NodeFacts {
  if (!node) return unknownNode
  const { metadata, spec, status } = node
  const addresses: Partial<Record<AddressFamily, string>> = {}
  for (const type of ['InternalIP', 'ExternalIP']) {
    for (const each of status?.addresses ?? []) {
      const address = each.type === type ? canonicalIp(each.address) : undefined
      if (address !== undefined) addresses[address.includes(':') ? 'IPv6' : 'IPv4'] ??= address
    }
  }
  const leaving = metadata.deletionTimestamp !== undefined || (spec?.taints ?? []).some(({ key }) => key === toBeDeletedTaint)
  return {
    zone: metadata.labels?.['topology.kubernetes.io/zone'],
    addresses,
    podCidrs: spec?.podCIDRs ?? (spec?.podCIDR ? [spec.podCIDR] : []),
    eligible: !leaving,
  }
}

/** The node's facts, now and whenever they change. */
export class NodeWatch {
  readonly #informer: Informer<Node>
  #facts = unknownNode

  constructor(deps: Omit<InformerDeps<Node>, 'resource'>, nodeName: string, changed: () => void) {
    this.#informer = startInformer<Node>({ ...deps, resource: nodes, fieldSelector: `metadata.name=${nodeName}` })
    const take = (node: Node): void => {
      if (node.metadata.name !== nodeName) return
      const before = this.#facts
      this.#facts = factsOf(node)
      if (JSON.stringify(before) !== JSON.stringify(this.#facts)) changed()
    }
    // A Node that is deleted while we run may be made anew any moment: until then what was known holds.
    this.#informer.on({ added: take, updated: take })
  }

  get facts(): NodeFacts {
    return this.#facts
  }

  synced(): Promise<void> {
    return this.#informer.synced()
  }
}
