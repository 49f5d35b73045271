import { type MessageWriter, messageFlags } from '../../netlink/message.ts'
import { bytesOf } from '../../nftables/values.ts'
import type { Flow } from '../conntrack.ts'
import { addressFamilies, messages, protocolNumbers, subsystem } from '../flow-messages.ts'

/** A flow to be put into connection tracking, or as a kernel tells of it. */
export interface NewFlow extends Pick<Flow, 'protocol' | 'address' | 'port' | 'replyAddress' | 'replyPort'> {
  readonly source: string
  readonly sourcePort: number
  /** Packets and bytes. */
  readonly counted?: readonly [number, number]
}

/** Written apart from what is tested, attribute by attribute. */
export function writeFlow(flow: NewFlow, header: { type: number; flags: number; sequence: number; id?: number }, to: MessageWriter): void {
  const six = flow.source.includes(':')
  const start = to.begin((subsystem << 8) | header.type, header.flags, header.sequence, addressFamilies[six ? 'IPv6' : 'IPv4'])
  const address = (text: string): string => bytesOf(six ? 'ipv6_addr' : 'ipv4_addr', text)
  const tuple = (type: number, from: readonly [string, number], into: readonly [string, number]): void => {
    const nest = to.nest(type)
    const addresses = to.nest(1)
    to.raw(six ? 3 : 1, address(from[0]))
    to.raw(six ? 4 : 2, address(into[0]))
    to.endNest(addresses)
    const ports = to.nest(2)
    to.u8(1, protocolNumbers[flow.protocol])
    to.u16(2, from[1])
    to.u16(3, into[1])
    to.endNest(ports)
    to.endNest(nest)
  }
  tuple(1, [flow.source, flow.sourcePort], [flow.address, flow.port])
  tuple(2, [flow.replyAddress, flow.replyPort], [flow.source, flow.sourcePort])
  to.u32(7, 600) // seconds that it lives
  if (flow.protocol === 'sctp') {
    const [info, its] = [to.nest(4), to.nest(3)]
    to.u8(1, 4) // established
    to.u32(2, 1)
    to.u32(3, 1)
    to.endNest(its)
    to.endNest(info)
  }
  if (header.id !== undefined) to.u32(12, header.id)
  if (flow.counted) {
    const counters = to.nest(9)
    to.u64(1, flow.counted[0])
    to.u64(2, flow.counted[1])
    to.endNest(counters)
  }
  to.end(start)
}

export const newFlowFlags = messageFlags.request | messageFlags.create | messageFlags.exclusive | messageFlags.ack
export const newFlowType = messages.create
