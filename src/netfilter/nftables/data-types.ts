import type { Bytes } from '../netlink/message.ts'

/**
 * What keys and data of sets are made of, by nft's names. `number` is nft's own for the type, which the kernel keeps only to give it back to
 * `nft list`. Addresses, protocols and ports are in network byte order, the rest in the machine's.
 */
interface DataTypeRow {
  number: number
  length: number
  order: 'network' | 'host'
  /** Where any part of a key has one, `nft` must be told the key by example, as it knows no name for the type. */
  example?: string
}

const rows = {
  ipv4_addr: { number: 7, length: 4, order: 'network' },
  ipv6_addr: { number: 8, length: 16, order: 'network' },
  inet_proto: { number: 12, length: 1, order: 'network' },
  inet_service: { number: 13, length: 2, order: 'network' },
  mark: { number: 19, length: 4, order: 'host' },
  /** Of a packet's priority: nft writes it as two numbers, `1:c000`. */
  classid: { number: 23, length: 4, order: 'host' },
  /** What numgen yields, as part of a key. */
  index: { number: 19, length: 4, order: 'host', example: 'numgen random mod 65536' },
  ifname: { number: 41, length: 16, order: 'host' },
  iface_index: { number: 20, length: 4, order: 'host' },
  nf_proto: { number: 2, length: 1, order: 'network' },
  ct_state: { number: 26, length: 4, order: 'host' },
  ct_dir: { number: 27, length: 1, order: 'host' },
  ct_status: { number: 28, length: 4, order: 'host' },
  fib_addrtype: { number: 38, length: 4, order: 'host' },
  uid: { number: 24, length: 4, order: 'host' },
  tcp_flag: { number: 15, length: 1, order: 'network' },
  boolean: { number: 39, length: 1, order: 'host' },
} as const satisfies Record<string, DataTypeRow>

export type DataType = keyof typeof rows

export function dataType(type: DataType): DataTypeRow {
  return rows[type]
}

/** For those with a selector of their own; where a key needs an example, all its parts do. */
const examples: Record<DataType, string> = {
  ipv4_addr: 'ip daddr',
  ipv6_addr: 'ip6 daddr',
  inet_proto: 'meta l4proto',
  // Not `th dport`: into a map that is in the kernel already nft 1.0 then takes no rule that looks after a match on a protocol.
  inet_service: 'tcp dport',
  mark: 'meta mark',
  classid: 'meta priority',
  index: rows.index.example,
  ifname: 'iifname',
  iface_index: 'iif',
  nf_proto: 'meta nfproto',
  ct_state: 'ct state',
  ct_dir: 'ct direction',
  ct_status: 'ct status',
  fib_addrtype: 'fib daddr type',
  uid: 'meta skuid',
  tcp_flag: 'tcp flags',
  boolean: 'exthdr frag exists',
}

export const exampleOf = (type: DataType): string => examples[type]

/** nft's number for a key: six bits a part. */
export function typeNumber(types: readonly DataType[]): number {
  return types.reduce((number, type) => (number << 6) | rows[type].number, 0)
}

const namesByNumber = new Map<number, DataType>(
  Object.entries(rows)
    .filter(([name]) => name !== 'index')
    .map(([name, { number }]) => [number, name as DataType]),
)

/** The way back; undefined where a part is of a type not listed here, or the parts do not fill `length` bytes. */
export function typesOfNumber(number: number, length: number): DataType[] | undefined {
  const types: DataType[] = []
  for (let rest = number >>> 0; rest > 0; rest = rest >>> 6) {
    const type = namesByNumber.get(rest & 63)
    if (type === undefined) return undefined
    types.unshift(type)
  }
  return types.length > 0 && keyLength(types) === length ? types : undefined
}

const padded = (length: number): number => (length + 3) & ~3

/** Bytes that a key or datum of these parts has: a single part its own, several each padded to four. */
export function keyLength(types: readonly DataType[]): number {
  if (types.length === 1) return rows[types[0] as DataType].length
  return types.reduce((sum, type) => sum + padded(rows[type].length), 0)
}

/** 32-bit registers that hold it. */
export function registersOf(types: readonly DataType[]): number {
  return types.reduce((sum, type) => sum + padded(rows[type].length) / 4, 0)
}

/** Puts the parts of a key or datum together, each as {@link bytesOf} gives it. */
export function joinParts(parts: readonly Bytes[]): Bytes {
  if (parts.length === 1) return parts[0] as Bytes
  let joined = ''
  for (const part of parts) joined += part + '\0'.repeat(padded(part.length) - part.length)
  return joined
}

/** Takes a key or datum apart again. */
export function splitParts(types: readonly DataType[], bytes: Bytes): Bytes[] {
  let at = 0
  return types.map((type) => {
    const part = bytes.slice(at, at + rows[type].length)
    at += padded(rows[type].length)
    return part
  })
}
