import type { Bytes } from '../netlink/message.ts'
import type { FoundElement } from './find-element.ts'
import type { HookName } from './ruleset.ts'

/** One way that a packet may go, with its exact share of all. */
export interface TracedOutcome {
  readonly probability: number
  readonly verdict: 'arrives' | 'rejected' | 'dropped'
  /** `address:port` (`[address]:port`) after translation. */
  readonly to: string
  /** The source is one of the host's own addresses, or `source` where the rule says which. */
  readonly masqueraded: boolean
  readonly source?: string
  /** `tcp reset`, or the code of an ICMP message. */
  readonly rejectedWith?: string
  /** What the packet leaves in dynamic sets. */
  readonly updates: readonly SetUpdate[]
  /** Rules that took part and hold something that this room has no words for; they are passed over, so the truth may differ. */
  readonly notUnderstood: readonly string[]
  readonly path: readonly TracedStep[]
}

export interface SetUpdate {
  readonly table: string
  readonly set: string
  readonly op: 'add' | 'update' | 'delete'
  readonly key: Bytes
  readonly data?: Bytes
  readonly timeoutMs?: number
}

/** A rule that the packet fulfilled, or a base chain's policy. */
export interface TracedStep {
  readonly hook: HookName
  /** `ip ownkube` */
  readonly table: string
  readonly chain: string
  /** The rule's number; a policy has none. */
  readonly handle?: number
  readonly comment?: string
  /** What it did, in a few words each: `dnat to 10.244.0.5:8080`. */
  readonly did: readonly string[]
  /** Elements that it found in sets. */
  readonly found: readonly FoundElement[]
}
