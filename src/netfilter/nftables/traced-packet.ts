import type { Bytes } from '../netlink/message.ts'
import { ctKeyNumber, type ExpressionOf } from './expressions.ts'
import { bytesOf, numberIn } from './values.ts'

/** A packet half-way through a host: what it looks like now, and what the host remembers of its connection. */
export interface TracedPacket {
  readonly six: boolean
  readonly protocol: number
  readonly source: string
  readonly sourcePort: number
  readonly destination: string
  readonly port: number
  readonly inputInterface: string
  readonly outputInterface: string
  readonly mark: number
  readonly priority: number
  /** Undefined before connection tracking has seen it. */
  readonly connection: Connection | undefined
}

export interface Connection {
  readonly state: 'new' | 'established' | 'related' | 'invalid' | 'untracked'
  readonly mark: number
  readonly originalSource: string
  readonly originalDestination: string
  readonly originalSourcePort: number
  readonly originalPort: number
  readonly translated: { readonly destination: boolean; readonly source: boolean }
}

/** A register's value, `break` where the kernel would leave the rule, or undefined where this room cannot tell. */
export type Loaded = Bytes | 'break' | undefined

const fixed = (six: boolean): 'ipv4_addr' | 'ipv6_addr' => (six ? 'ipv6_addr' : 'ipv4_addr')
const u8 = (value: number): Bytes => String.fromCharCode(value & 255)
const u16 = (value: number): Bytes => u8(value >> 8) + u8(value)
const host32 = (value: number): Bytes => bytesOf('mark', value >>> 0)

/** A slice of the headers, made of what is known of the packet; other fields of a first packet are zero. */
export function loadPayload(packet: TracedPacket, { base, offset, length }: ExpressionOf<'payload'>): Loaded {
  const header = base === 'network' ? networkHeader(packet) : base === 'transport' ? transportHeader(packet) : undefined
  if (header === undefined) return undefined
  return offset + length > header.length ? 'break' : header.slice(offset, offset + length)
}

function networkHeader({ six, protocol, source, destination }: TracedPacket): Bytes {
  const addresses = bytesOf(fixed(six), source) + bytesOf(fixed(six), destination)
  if (six) return `\x60${'\0'.repeat(5)}${u8(protocol)}\x40${addresses}`
  return `\x45\0${u16(60)}${'\0'.repeat(4)}\x40${u8(protocol)}\0\0${addresses}`
}

function transportHeader({ protocol, sourcePort, port }: TracedPacket): Bytes {
  const ports = u16(sourcePort) + u16(port)
  // The first packet of a TCP connection: ten words of header, SYN.
  return protocol === 6 ? `${ports}${'\0'.repeat(8)}\xa0\x02${'\0'.repeat(26)}` : ports + '\0'.repeat(8)
}

export function loadMeta(packet: TracedPacket, key: string): Loaded {
  switch (key) {
    case 'mark':
      return host32(packet.mark)
    case 'priority':
      return host32(packet.priority)
    case 'l4proto':
      return u8(packet.protocol)
    case 'nfproto':
      return u8(packet.six ? 10 : 2)
    case 'protocol':
      return u16(packet.six ? 0x86dd : 0x0800)
    case 'iifname':
      return packet.inputInterface.padEnd(16, '\0')
    case 'oifname':
      return packet.outputInterface.padEnd(16, '\0')
    default:
      return undefined
  }
}

export function loadConnection(packet: TracedPacket, { key, direction }: ExpressionOf<'ct'>): Loaded {
  const { connection, six } = packet
  ctKeyNumber(key)
  // Without a connection only the state can be read: invalid.
  if (connection === undefined) return key === 'state' ? bytesOf('ct_state', 'invalid') : 'break'
  const { translated } = connection
  switch (key) {
    case 'state':
      return bytesOf('ct_state', connection.state)
    case 'status':
      return host32((translated.destination ? 32 : 0) | (translated.source ? 16 : 0) | (connection.state === 'new' ? 0 : 8))
    case 'mark':
      return host32(connection.mark)
    case 'direction':
      return u8(0)
    case 'proto-dst':
      return direction === 'original' ? u16(connection.originalPort) : undefined
    case 'proto-src':
      // A reply comes from where the packet goes to.
      return u16(direction === 'original' ? connection.originalSourcePort : packet.port)
    case six ? 'ip6-saddr' : 'ip-saddr':
      return bytesOf(fixed(six), direction === 'original' ? connection.originalSource : packet.destination)
    case six ? 'ip6-daddr' : 'ip-daddr':
      return direction === 'original' ? bytesOf(fixed(six), connection.originalDestination) : undefined
    case 'ip-saddr':
    case 'ip-daddr':
    case 'ip6-saddr':
    case 'ip6-daddr':
      return 'break'
    default:
      return undefined
  }
}

export function storeNumber(packet: TracedPacket, field: 'meta mark' | 'meta priority' | 'ct mark', value: Bytes): TracedPacket {
  const mark = numberIn('mark', value)
  if (field === 'meta mark') return { ...packet, mark }
  if (field === 'meta priority') return { ...packet, priority: mark }
  return packet.connection === undefined ? packet : { ...packet, connection: { ...packet.connection, mark } }
}
