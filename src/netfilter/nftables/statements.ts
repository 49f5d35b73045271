import type { CompareOp, NatFlag, Verdict } from './expressions.ts'
import type { Key, Selector } from './selectors.ts'

/** What a rule does, in nft's words. A rule's statements run in order, until one does not match. */
export type Statement =
  /**
   * `value` is one value (`tcp`, 80, `10.0.0.1`), a prefix (`10.0.0.0/8`; of names `veth*`) or a range (`1000-2000`). Flags (`ct state`, `ct status`, `tcp flags`)
   * match with `==` where any of those given is set, with `!=` where none is.
   */
  | { kind: 'match'; key: Selector; op?: CompareOp; value: string | number }
  /** Found in a set or map (`not`: not found). */
  | { kind: 'lookup'; key: Key; set: string; not?: true }
  /** Does what the map says; goes on with the next rule where the map says nothing. */
  | { kind: 'vmap'; key: Key; map: string }
  | { kind: 'verdict'; verdict: Verdict }
  | { kind: 'set'; field: 'meta mark' | 'ct mark' | 'meta priority' | 'meta nftrace'; to: Assigned }
  | { kind: 'dnat' | 'snat'; to: NatTarget; flags?: readonly NatFlag[] }
  | { kind: 'redirect'; port: number; flags?: readonly NatFlag[] }
  | { kind: 'masquerade'; flags?: readonly NatFlag[] }
  /** `tcp reset` needs a match on `meta l4proto tcp` before it in the rule. */
  | { kind: 'reject'; with: RejectReason }
  /** Adds the packet's key to a dynamic set: `add` leaves an element's time running, `update` starts it again. */
  | { kind: 'dynset'; op: 'add' | 'update' | 'delete'; set: string; key: Key; data?: Selector; timeoutMs?: number; counter?: true }
  /** Counts: in the rule itself, in a named counter of the table, or in the named counter that a map gives. */
  | { kind: 'counter'; counter?: string | { map: string; key: Key } }
  | { kind: 'notrack' }

/** A number, another field, what a map gives for a key (no match where it gives nothing), or the field's own bits, some changed. */
export type Assigned = number | Selector | { map: string; key: Key } | { keep: number; add: number }

/** The map's data is an address, or an address and a port. */
export type NatTarget = { map: string; key: Key } | { address: string; port?: number }

export type RejectReason = 'tcp reset' | 'port-unreachable' | 'host-unreachable' | 'no-route' | 'admin-prohibited'
