import type { EndpointChoice } from './choose-endpoints.ts'
import type { AddressFamily, ProxiedPort } from './service-port.ts'

/** One port of a Service, and the endpoints that this node sends its traffic to. */
export interface PortWithChoice {
  readonly port: ProxiedPort
  readonly choice: EndpointChoice
}

/** What one apply changed in the kernel: rules, chains or elements. */
export interface Applied {
  readonly written: number
  readonly removed: number
}

/**
 * The rules of one address family in the kernel: what every back end is to the rest of the proxy. `update` only takes
 * note, `apply` brings the kernel to what was noted, all at once; neither may cost more for Services that did not change.
 */
export interface ServiceRules {
  readonly family: AddressFamily
  /** Changes that others make are told as they happen; without, only looking finds them. */
  readonly isTold: boolean
  /** A Service's (`ns/name`) ports as they are from now on; none: it is gone. */
  update(key: string, ports: readonly PortWithChoice[]): void
  /** Undefined: there was nothing to change. Throws if the kernel refuses; the next call then begins by reading what is there. */
  apply(): Promise<Applied | undefined>
  /** Compares all of ours with what the kernel holds, and puts right what differs. True if there was something. */
  repair(): Promise<boolean>
  /** How many rules (or elements) there are by table (or set): for metrics. */
  counts(): ReadonlyMap<string, number>
  /** Lets go of what it holds open; the rules stay. */
  close(): void
}

/** How what pods send is known: by its source, or by the interface that it comes in by (`br0`; with `*` at the end, all that begin so). */
export type PodTraffic = { readonly by: 'source'; readonly cidr: string } | { readonly by: 'interface'; readonly name: string }

/** What the rules of a family depend on besides Services. */
export interface RuleSettings {
  readonly family: AddressFamily
  /** What comes to a cluster address from elsewhere is masqueraded. Undefined: nothing tells pods from others, so nothing is. */
  readonly podTraffic: PodTraffic | undefined
  /** What pods send to a cluster address is masqueraded too. */
  readonly masqueradeAll: boolean
  /** Bit of the packet mark by which iptables rules tell what is to be masqueraded: 0 to 31. */
  readonly masqueradeBit: number
  /** Addresses or ranges of the node's own addresses where node ports answer. Empty: on every address of the node. */
  readonly nodePortAddresses: readonly string[]
  /** Node ports answer on 127.0.0.1 as well, where the back end can do that. */
  readonly localhostNodePorts: boolean
  /** Packets that connection tracking cannot place are dropped, where they would reset connections. */
  readonly dropsInvalid: boolean
  /** Our own name: only pods that are here can reach themselves through us. */
  readonly node: string
  /** Addresses in here that no Service port took are refused, rather than sent out into the world. */
  readonly serviceCidrs: readonly string[]
  /** Keeps several clusters on one host apart: up to three lower-case letters or digits. */
  readonly tag: string
}
