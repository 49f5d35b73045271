import type { Bytes } from '../netlink/message.ts'

/**
 * What a rule is in the kernel: a list of small instructions over sixteen 32-bit registers and a verdict. Statements compile to these;
 * dumps are read into these; the tracer interprets these. Names are the kernel's.
 */
export type Expression =
  | { name: 'payload'; base: PayloadBase; offset: number; length: number; into: Register }
  | { name: 'meta'; key: string; into: Register }
  | { name: 'meta'; key: string; from: Register }
  | { name: 'ct'; key: string; direction?: 'original' | 'reply'; into: Register }
  | { name: 'ct'; key: string; direction?: 'original' | 'reply'; from: Register }
  | { name: 'cmp'; register: Register; op: CompareOp; value: Bytes }
  | { name: 'range'; register: Register; op: '==' | '!='; low: Bytes; high: Bytes }
  | { name: 'bitwise'; from: Register; into: Register; length: number; mask: Bytes; xor: Bytes }
  | { name: 'bitwise'; from: Register; into: Register; length: number; shift: 'left' | 'right'; by: number }
  | { name: 'byteorder'; from: Register; into: Register; to: 'host' | 'network'; length: number; size: number }
  | { name: 'immediate'; into: Register; value: Bytes }
  | { name: 'immediate'; verdict: Verdict }
  | { name: 'lookup'; set: string; from: Register; into?: Register | 'verdict'; not?: true }
  | {
      name: 'dynset'
      op: 'add' | 'update' | 'delete'
      set: string
      key: Register
      data?: Register
      timeoutMs?: number
      each?: Expression[]
    }
  | { name: 'numgen'; mode: 'random' | 'inc'; modulus: number; offset: number; into: Register }
  | { name: 'hash'; kind: 'jenkins'; from: Register; length: number; seed?: number; modulus: number; offset: number; into: Register }
  | { name: 'hash'; kind: 'symmetric'; modulus: number; offset: number; into: Register }
  | { name: 'fib'; result: FibResult; flags: readonly FibFlag[]; into: Register }
  | { name: 'nat'; type: 'dnat' | 'snat'; family: 'ip' | 'ip6'; address?: NatRange; port?: NatRange; flags: readonly NatFlag[] }
  | { name: 'masq'; port?: NatRange; flags: readonly NatFlag[] }
  | { name: 'redir'; port?: NatRange; flags: readonly NatFlag[] }
  | { name: 'reject'; type: RejectType; code: number }
  | { name: 'counter'; packets: number; bytes: number }
  | { name: 'objref'; type: number; object: string }
  | { name: 'objref'; set: string; from: Register }
  | { name: 'notrack' }
  /** Something that this room has no words for, such as an iptables match inside nftables: kept by name, never guessed at. */
  | { name: 'unknown'; what: string }

export type ExpressionOf<Name extends Expression['name']> = Extract<Expression, { name: Name }>

/** The first of the 32-bit registers, 0 to 15, that hold a value. */
export type Register = number
export type PayloadBase = 'link' | 'network' | 'transport' | 'inner'
export type CompareOp = '==' | '!=' | '<' | '<=' | '>' | '>='
export type FibResult = 'oif' | 'oifname' | 'type'
export type FibFlag = 'saddr' | 'daddr' | 'mark' | 'iif' | 'oif' | 'present'
export type NatFlag = 'random' | 'persistent' | 'fully-random'
export type RejectType = 'icmp' | 'tcp reset' | 'icmpx'
/** Registers of the lowest and the highest address or port to take. */
export interface NatRange {
  from: Register
  to?: Register
}

export type Verdict = 'accept' | 'drop' | 'return' | 'continue' | 'break' | 'queue' | { jump: string } | { goto: string }

/** One object a constant, so that verdicts compare by their text. */
export function verdictText(verdict: Verdict): string {
  if (typeof verdict === 'string') return verdict
  return 'jump' in verdict ? `jump ${verdict.jump}` : `goto ${verdict.goto}`
}

/** The kernel's numbers for meta keys, in order. Those without a name here keep their number: `key 31`. */
const metaKeys = (
  'len protocol priority mark iif oif iifname oifname iiftype oiftype skuid skgid nftrace rtclassid secmark nfproto l4proto ' +
  'ibrname obrname pkttype cpu iifgroup oifgroup cgroup random ipsec iifkind oifkind ibrpvid ibrvproto time day hour sdif sdifname broute'
).split(' ')
const ctKeys = (
  'state direction status mark secmark expiration helper l3proto saddr daddr protocol proto-src proto-dst label packets bytes avgpkt zone ' +
  'event ip-saddr ip-daddr ip6-saddr ip6-daddr id'
).split(' ')

const keyName = (names: readonly string[], number: number): string => names[number] ?? `key ${number}`
function keyNumber(names: readonly string[], name: string): number {
  const index = names.indexOf(name)
  if (index >= 0) return index
  const number = /^key (\d+)$/.exec(name)
  if (number === null) throw new Error(`no such key: ${name}`)
  return Number(number[1])
}

export const metaKeyName = (number: number): string => keyName(metaKeys, number)
export const metaKeyNumber = (name: string): number => keyNumber(metaKeys, name)
export const ctKeyName = (number: number): string => keyName(ctKeys, number)
export const ctKeyNumber = (name: string): number => keyNumber(ctKeys, name)
