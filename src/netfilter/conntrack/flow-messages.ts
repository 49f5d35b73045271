import { type Attributes, type Bytes, type Message, type MessageWriter, messageFlags } from '../netlink/message.ts'
import { bytesOf, textOf } from '../nftables/values.ts'
import type { TransportProtocol } from '../rules.ts'
import type { Flow, FlowQuery } from './conntrack.ts'

/** Netfilter's subsystem of connection tracking, its messages and what they hold: linux/netfilter/nfnetlink_conntrack.h. */
export const subsystem = 1
export const messages = { create: 0, get: 1, delete: 2 } as const
const attribute = {
  ...{ original: 1, reply: 2, status: 3, countersOriginal: 9, countersReply: 10, id: 12, zone: 18 },
  ...{ filter: 25, statusMask: 26 },
} as const
const tuple = { ip: 1, protocol: 2 } as const
const ip = { IPv4: { source: 1, destination: 2 }, IPv6: { source: 3, destination: 4 } } as const
const protocol = { number: 1, sourcePort: 2, destinationPort: 3 } as const
const counters = { packets: 1, bytes: 2 } as const
/** Which parts of the tuple must be equal, as bits. */
const filter = { originalFlags: 1, destination: 1 << 1, protocolNumber: 1 << 3, destinationPort: 1 << 5 } as const
const destinationTranslated = 1 << 5
const nested = 0x8000

export const protocolNumbers: Readonly<Record<TransportProtocol, number>> = { tcp: 6, udp: 17, sctp: 132 }
const protocolNames = new Map(Object.entries(protocolNumbers).map(([name, number]) => [number, name as TransportProtocol]))
export const addressFamilies = { IPv4: 2, IPv6: 10 } as const
const addressTypes = { IPv4: 'ipv4_addr', IPv6: 'ipv6_addr' } as const

/** Kernels too old to choose (before 5.8) send all: {@link matches} is asked of each flow anyway. */
export function writeQuery(query: FlowQuery, to: MessageWriter): void {
  if (query.translated) {
    to.u32(attribute.status, destinationTranslated)
    to.u32(attribute.statusMask, destinationTranslated)
  }
  if (query.protocol === undefined) return
  const original = to.nest(attribute.original)
  // Of IPv6, Linux 6.18 hands out the flows to all other addresses but this.
  const address = query.family === 'IPv4' ? query.to?.address : undefined
  if (address !== undefined) {
    const addresses = to.nest(tuple.ip)
    to.raw(ip.IPv4.destination, bytesOf('ipv4_addr', address))
    to.endNest(addresses)
  }
  const ports = to.nest(tuple.protocol)
  to.u8(protocol.number, protocolNumbers[query.protocol])
  if (query.to) to.u16(protocol.destinationPort, query.to.port)
  to.endNest(ports)
  to.endNest(original)
  const which = to.nest(attribute.filter)
  const flags =
    filter.protocolNumber | (address === undefined ? 0 : filter.destination) | (query.to === undefined ? 0 : filter.destinationPort)
  to.raw(filter.originalFlags, String.fromCharCode(flags, 0, 0, 0)) // in the machine's byte order, unlike all else
  to.endNest(which)
}

/** Undefined: of a protocol without ports, or not what the query asks for. */
export function flowIn({ attributes, family: number }: Message, query: FlowQuery): Flow | undefined {
  if (number !== addressFamilies[query.family]) return undefined
  const original = attributes.nested(attribute.original)
  const reply = attributes.nested(attribute.reply)
  const ports = original?.nested(tuple.protocol)
  const name = protocolNames.get(ports?.u8(protocol.number) ?? 0)
  const { source, destination } = ip[query.family]
  const address = original?.nested(tuple.ip)?.raw(destination)
  const replyAddress = reply?.nested(tuple.ip)?.raw(source)
  const port = ports?.u16(protocol.destinationPort)
  const replyPort = reply?.nested(tuple.protocol)?.u16(protocol.sourcePort)
  if (!name || address === undefined || replyAddress === undefined || port === undefined || replyPort === undefined) return undefined
  if (query.translated && ((attributes.u32(attribute.status) ?? 0) & destinationTranslated) === 0) return undefined
  const type = addressTypes[query.family]
  const flow = {
    ...{ protocol: name, address: textOf(type, address), port, replyAddress: textOf(type, replyAddress), replyPort },
    ...{ packets: counted(attributes, counters.packets), bytes: counted(attributes, counters.bytes) },
  }
  return matches(flow, query) ? flow : undefined
}

export function matches(flow: Flow, { protocol: wanted, to }: FlowQuery): boolean {
  return (wanted === undefined || flow.protocol === wanted) && (to === undefined || (flow.address === to.address && flow.port === to.port))
}

function counted(attributes: Attributes, which: number): number | undefined {
  const original = attributes.nested(attribute.countersOriginal)?.u64(which)
  return original === undefined ? undefined : original + (attributes.nested(attribute.countersReply)?.u64(which) ?? 0)
}

/** Takes the flow by its own number, so that none that came after it by the same addresses is meant. */
export function writeDeletion({ attributes, family }: Message, sequence: number, to: MessageWriter): void {
  const start = to.begin((subsystem << 8) | messages.delete, messageFlags.request | messageFlags.ack, sequence, family)
  const copy = (type: number, bytes: Bytes | undefined): void => {
    if (bytes !== undefined) to.raw(type, bytes)
  }
  copy(attribute.original | nested, attributes.raw(attribute.original))
  copy(attribute.id, attributes.raw(attribute.id))
  copy(attribute.zone, attributes.raw(attribute.zone))
  to.end(start)
}
