import type { Bytes } from '../netlink/message.ts'
import { type DataType, dataType, joinParts, splitParts } from './data-types.ts'

/** Names that nft and people write for numbers. */
const symbols: Partial<Record<DataType, Record<string, number>>> = {
  inet_proto: { icmp: 1, tcp: 6, udp: 17, 'ipv6-icmp': 58, sctp: 132 },
  nf_proto: { ipv4: 2, ipv6: 10 },
  ct_state: { invalid: 1, established: 2, related: 4, new: 8, untracked: 64 },
  ct_dir: { original: 0, reply: 1 },
  ct_status: { expected: 1, 'seen-reply': 2, assured: 4, confirmed: 8, snat: 16, dnat: 32, dying: 512 },
  fib_addrtype: { unspec: 0, unicast: 1, local: 2, broadcast: 3, anycast: 4, multicast: 5, blackhole: 6, unreachable: 7, prohibit: 8 },
  tcp_flag: { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16, urg: 32, ecn: 64, cwr: 128 },
}
/** Types whose values are sets of flags, written with commas. */
const flagTypes: ReadonlySet<DataType> = new Set<DataType>(['ct_state', 'ct_status', 'tcp_flag'])

export const isFlagType = (type: DataType): boolean => flagTypes.has(type)

/** `tcp`, `10.0.0.1`, `fd00::1`, `80`, `eth0`, `established,related` or a number to the bytes of a register. */
export function bytesOf(type: DataType, value: string | number): Bytes {
  if (typeof value === 'string') {
    if (type === 'ipv4_addr') return ipv4Bytes(value)
    if (type === 'ipv6_addr') return ipv6Bytes(value)
    if (type === 'ifname') return nameBytes(value)
  }
  return numberBytes(type, typeof value === 'number' ? value : numberOf(type, value))
}

/** Bytes for several parts: a key or a datum. */
export function keyOf(types: readonly DataType[], ...values: readonly (string | number)[]): Bytes {
  if (types.length !== values.length) throw new Error(`${values.length} values for a key of ${types.length} parts (${types.join(' . ')})`)
  return joinParts(types.map((type, index) => bytesOf(type, values[index] as string | number)))
}

/** As nft writes it. */
export function textOf(type: DataType, bytes: Bytes): string {
  if (type === 'ipv4_addr') return ipv4Text(bytes)
  if (type === 'ipv6_addr') return ipv6Text(bytes)
  if (type === 'ifname') return JSON.stringify(bytes.replace(/\0+$/, ''))
  const number = numberIn(type, bytes)
  if (type === 'mark') return `0x${number.toString(16).padStart(8, '0')}`
  if (type === 'classid') return `${(number >>> 16).toString(16)}:${(number & 0xffff).toString(16)}`
  const named = Object.entries(symbols[type] ?? {})
  const exact = named.find(([, value]) => value === number)
  if (exact !== undefined) return exact[0]
  if (!flagTypes.has(type)) return String(number)
  const flags = named.filter(([, value]) => (number & value) !== 0)
  const whole = flags.reduce((sum, [, value]) => sum | value, 0) === number
  return whole && flags.length > 0 ? flags.map(([name]) => name).join(',') : `0x${number.toString(16)}`
}

export function keyText(types: readonly DataType[], bytes: Bytes): string {
  return splitParts(types, bytes)
    .map((part, index) => textOf(types[index] as DataType, part))
    .join(' . ')
}

export function numberIn(type: DataType, bytes: Bytes): number {
  const { order } = dataType(type)
  let number = 0
  for (let index = 0; index < bytes.length; index++) {
    number = number * 256 + bytes.charCodeAt(order === 'network' ? index : bytes.length - 1 - index)
  }
  return number
}

function numberOf(type: DataType, text: string): number {
  let number = 0
  for (const word of flagTypes.has(type) ? text.split(',') : [text]) {
    const value = symbols[type]?.[word] ?? (/^(\d+|0x[\da-f]+)$/i.test(word) ? Number(word) : undefined)
    if (value === undefined) throw new Error(`${JSON.stringify(text)} is no ${type}`)
    number |= value
  }
  return number >>> 0
}

function numberBytes(type: DataType, value: number): Bytes {
  const { length, order } = dataType(type)
  if (!Number.isInteger(value) || value < 0 || value >= 2 ** (8 * length)) throw new Error(`${value} is no ${type}`)
  let bytes = ''
  for (let index = 0; index < length; index++) {
    const shift = 8 * (order === 'network' ? length - 1 - index : index)
    bytes += String.fromCharCode(Math.floor(value / 2 ** shift) & 255)
  }
  return bytes
}

function nameBytes(name: string): Bytes {
  if (name.length > 15 || /[^!-~]/.test(name)) throw new Error(`${JSON.stringify(name)} is no name of an interface`)
  return name.padEnd(16, '\0')
}

function ipv4Bytes(text: string): Bytes {
  const parts = text.split('.')
  if (parts.length !== 4 || parts.some((part) => !/^\d{1,3}$/.test(part) || Number(part) > 255)) {
    throw new Error(`${JSON.stringify(text)} is no IPv4 address`)
  }
  return String.fromCharCode(...parts.map(Number))
}

function ipv4Text(bytes: Bytes): string {
  return `${bytes.charCodeAt(0)}.${bytes.charCodeAt(1)}.${bytes.charCodeAt(2)}.${bytes.charCodeAt(3)}`
}

function ipv6Bytes(text: string): Bytes {
  const wrong = (): Error => new Error(`${JSON.stringify(text)} is no IPv6 address`)
  // The last 32 bits may be written as an IPv4 address.
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text)
  const hex = (bytes: Bytes): string => [...bytes].map((byte) => byte.charCodeAt(0).toString(16).padStart(2, '0')).join('')
  const tail = dotted === null ? '' : hex(ipv4Bytes(dotted[2] as string))
  const plain = dotted === null ? text : `${dotted[1]}${tail.slice(0, 4)}:${tail.slice(4)}`
  const halves = plain.split('::')
  if (halves.length > 2) throw wrong()
  const [head = [], rest = []] = halves.map((half) => (half === '' ? [] : half.split(':')))
  const missing = 8 - head.length - rest.length
  if (halves.length === 2 ? missing < 1 : missing !== 0) throw wrong()
  const words = [...head, ...Array<string>(missing).fill('0'), ...rest]
  if (words.some((word) => !/^[\da-f]{1,4}$/i.test(word))) throw wrong()
  return words.map((word) => String.fromCharCode(Number.parseInt(word, 16) >> 8, Number.parseInt(word, 16) & 255)).join('')
}

/** RFC 5952: the longest run of zero words is left out, the first of equals, and never a single one. */
function ipv6Text(bytes: Bytes): string {
  const words = Array.from({ length: 8 }, (_, index) => (bytes.charCodeAt(2 * index) << 8) | bytes.charCodeAt(2 * index + 1))
  let best = { start: -1, length: 1 }
  for (let start = 0; start < 8; start++) {
    let length = 0
    while (start + length < 8 && words[start + length] === 0) length++
    if (length > best.length) best = { start, length }
  }
  const text = (part: readonly number[]): string => part.map((word) => word.toString(16)).join(':')
  return best.start < 0 ? text(words) : `${text(words.slice(0, best.start))}::${text(words.slice(best.start + best.length))}`
}
