import type { Bytes } from '../../netfilter/netlink/message.ts'
import { bytesOf } from '../../netfilter/nftables/values.ts'
import type { TransportProtocol } from '../../netfilter/rules.ts'
import type { AddressFamily } from '../service-port.ts'

/** Keys and data as the kernel has them: parts one after another, each filled up to four bytes. */
const protocolNumbers: Record<TransportProtocol, Bytes> = { tcp: '\x06\0\0\0', udp: '\x11\0\0\0', sctp: '\x84\0\0\0' }

export const protocolBytes = (protocol: TransportProtocol): Bytes => protocolNumbers[protocol]
export const portBytes = (port: number): Bytes => `${String.fromCharCode(port >> 8, port & 255)}\0\0`

export function addressBytes(family: AddressFamily, address: string): Bytes {
  return bytesOf(family === 'IPv4' ? 'ipv4_addr' : 'ipv6_addr', address)
}

/** The first address of a prefix: what remains of any address in it when the other bits are taken away. */
export function prefixBytes(address: Bytes, bits: number): Bytes {
  return eachByte(address, bits, (byte, mask) => byte & mask)
}

/** An address, or a prefix such as 10.0.0.0/8, as its first and last address. */
export function rangeBytes(family: AddressFamily, range: string): { first: Bytes; last: Bytes; bits: number } {
  const [address, length] = range.split('/') as [string, string | undefined]
  const bytes = addressBytes(family, address)
  const bits = length === undefined ? bytes.length * 8 : Number(length)
  return { first: prefixBytes(bytes, bits), last: eachByte(bytes, bits, (byte, mask) => (byte & mask) | (~mask & 255)), bits }
}

function eachByte(address: Bytes, bits: number, change: (byte: number, mask: number) => number): Bytes {
  return Array.from(address, (byte, i) => {
    const kept = Math.max(0, Math.min(8, bits - 8 * i))
    return String.fromCharCode(change(byte.charCodeAt(0), (0xff00 >> kept) & 255))
  }).join('')
}
