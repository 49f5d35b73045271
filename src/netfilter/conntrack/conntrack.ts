import type { TransportProtocol } from '../rules.ts'

/** Where clients send to, as connection tracking keeps it: the destination before any translation. */
export interface Destination {
  readonly address: string
  readonly port: number
}

/** What the kernel remembers of one connection, or of one exchange of packets that have none. */
export interface Flow extends Destination {
  readonly protocol: TransportProtocol
  /** Who answers. */
  readonly replyAddress: string
  readonly replyPort: number
  /** Both ways; undefined where the kernel does not count (net.netfilter.nf_conntrack_acct is 0). */
  readonly packets: number | undefined
  readonly bytes: number | undefined
}

export interface FlowQuery {
  readonly family: 'IPv4' | 'IPv6'
  /** Undefined: all that have ports. */
  readonly protocol?: TransportProtocol
  /** Only flows to here. */
  readonly to?: Destination | undefined
  /** Only flows whose destination was translated. */
  readonly translated?: true
}

/** The connection tracking of one network namespace. However many flows there are, few of them are in memory at once. */
export interface Conntrack {
  /** Shows the flows, one after another. */
  look(query: FlowQuery, each: (flow: Flow) => void): Promise<void>
  /** Forgets those that are stale, so that their next packet is translated afresh; answers how many. One that went by itself is no error. */
  forget(query: FlowQuery, isStale: (flow: Flow) => boolean): Promise<number>
}
