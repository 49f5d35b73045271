import type { Bytes } from '../netlink/message.ts'
import type { DataType } from './data-types.ts'
import type { Expression, Verdict } from './expressions.ts'
import type { Statement } from './statements.ts'

/** A table as data: its skeleton of sets and chains with their rules. Elements, which come and go, are changes of a transaction. */
export interface Table {
  family: Family
  name: string
  sets: readonly NftSet[]
  chains: readonly Chain[]
}

export type Family = 'ip' | 'ip6' | 'inet'
/** Those that are only ever read, too: other people's. */
export type AnyFamily = Family | 'arp' | 'bridge' | 'netdev'

/** A set, or a map where it has `data`. */
export interface NftSet {
  name: string
  key: readonly DataType[]
  data?: readonly DataType[] | 'verdict' | 'counter'
  /** Elements are ranges of keys. */
  interval?: true
  /** Rules may add elements. */
  dynamic?: true
  /** Elements may go by themselves; after this long where neither they nor the rule say otherwise (0: they say). */
  timeoutMs?: number
  /** Elements at most; 65535 for dynamic sets that don't say, no limit for others. */
  size?: number
  /** Each element counts the packets that found it. */
  counter?: true
}

export interface Chain {
  name: string
  hook?: BaseHook
  rules: readonly Rule[]
}

export interface BaseHook {
  type: 'filter' | 'nat' | 'route'
  hook: HookName
  /** Lower runs first; conntrack is at -200, dnat at -100, filter at 0, snat at 100. */
  priority: number
  policy?: 'accept' | 'drop'
}
export type HookName = 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting'

export interface Rule {
  statements: readonly Statement[]
  comment?: string
}

export interface Element {
  key: Bytes
  /** The last key of a range, where it is longer than one. In keys of several parts, each part is a range of its own. */
  end?: Bytes
  data?: Bytes
  verdict?: Verdict
  /** The named counter of a map to counters. */
  counter?: string
  timeoutMs?: number
  comment?: string
}

/** A table as a kernel holds it. */
export interface HeldTable {
  family: AnyFamily
  name: string
  /** Takes no part while dormant. */
  dormant: boolean
  sets: HeldSet[]
  chains: HeldChain[]
  counters: { name: string; packets: number; bytes: number }[]
}

export interface HeldSet extends Omit<NftSet, 'key'> {
  /** Undefined where made of types that this room does not know; its elements' bytes are there all the same. */
  key: readonly DataType[] | undefined
  keyLength: number
  dataLength: number
  anonymous: boolean
  /** Ranges of several parts. */
  concatenated?: true
  elements: HeldElement[]
}

export interface HeldElement extends Element {
  /** What any other key finds. */
  catchAll?: true
  expiresMs?: number
  packets?: number
  bytes?: number
}

export interface HeldChain {
  name: string
  /** A hook that is not one of an IP family's has no {@link BaseHook}, and `foreignHook` is true. */
  hook?: BaseHook
  foreignHook?: true
  rules: HeldRule[]
}

export interface HeldRule {
  /** The kernel's number for it, by which it is deleted. */
  handle: number
  /** Counters among them are zero, so that rules compare by what they are; what they counted is in {@link counted}. */
  expressions: Expression[]
  counted?: { packets: number; bytes: number }
  comment?: string
}
