import { isIPv4, isIPv6 } from 'node:net'
import { type MapSpec, mapFlags } from './bpf-kinds.ts'

/**
 * What the programs and the balancer share, byte for byte. Addresses take 16 bytes, those of IPv4 in their IPv6-mapped form
 * (::ffff:10.0.0.1), so that a client with an IPv6 socket finds the same; ports are in network order, all else in the machine's.
 */

/** Changes with the layout or meaning of any map: maps of another version are not taken over but filled anew. */
export const layoutVersion = 1

export const sizes = { address: 16, place: 24 } as const

/** An address and a port, in 24 bytes so that what follows is aligned. */
export const placeAt = { address: 0, port: 16 } as const
export const frontendKeyAt = { address: 0, port: 16, protocol: 18 } as const
export const frontendAt = { set: 0, count: 4, affinitySeconds: 8 } as const
export const endpointKeyAt = { set: 0, slot: 4 } as const
export const memberKeyAt = { place: 0, set: 20 } as const
export const clientKeyAt = { cookie: 0, set: 8, kind: 12 } as const
export const clientAt = { place: 0, lastUsedNs: 24 } as const
export const flowKeyAt = { cookie: 0, place: 8 } as const
export const flowAt = { frontend: 0, set: 20 } as const
export const connectionAt = { frontend: 0, endpoint: 24 } as const

/** Who a remembered client is: all sockets of a network namespace, or one socket. */
export const clientKinds = { namespace: 0, socket: 1 } as const
export const protocolNumbers = { tcp: 6, udp: 17 } as const
export type BalancedProtocol = keyof typeof protocolNumbers

const hash = (keyBytes: number, valueBytes: number, maxEntries: number): MapSpec => ({
  type: 'hash',
  keyBytes,
  valueBytes,
  maxEntries,
  flags: mapFlags.noPreallocation, // memory as it is used; a full table costs 16 bytes for each element that it could hold
})

export const mapSpecs = {
  /** Address, port, protocol of a Service -> its set of endpoints, how many there are, how long clients stay. */
  frontends: hash(20, 16, 131_072),
  /** Set and slot -> address and port. */
  endpoints: hash(8, sizes.place, 262_144),
  /** Address, port, set: whether an endpoint that a client is remembered with is still there. Only of sets that remember clients. */
  members: hash(24, 4, 131_072),
  /** Client and set -> endpoint, and when it was last used. */
  clients: { type: 'lruHash', keyBytes: 16, valueBytes: 32, maxEntries: 65_536 },
  /** Socket and endpoint -> the frontend that was asked for, and the set: for answers of UDP. */
  flows: { type: 'lruHash', keyBytes: 32, valueBytes: 24, maxEntries: 65_536 },
  /** The same for a TCP connection, kept on its socket and gone with it. */
  connections: { type: 'socketStorage', keyBytes: 4, valueBytes: 48, maxEntries: 0, flags: mapFlags.noPreallocation },
  /** Set -> connections and flows begun. */
  counters: hash(4, 8, 131_072),
} as const satisfies Readonly<Record<string, MapSpec>>
export type MapName = keyof typeof mapSpecs

/** Sixteen bytes. Throws on what is no address. */
export function addressBytes(address: string): Uint8Array {
  if (!address.includes(':')) return mappedBytes(address)
  if (!isIPv6(address)) throw new Error(`${address} is no IP address`)
  const { hostname } = new URL(`http://[${address}]/`) // the shortest form, IPv4 parts written as hex
  const [left = '', right] = hostname.slice(1, -1).split('::')
  const words = (text: string): number[] => (text === '' ? [] : text.split(':').map((word) => Number.parseInt(word, 16)))
  const [before, after] = [words(left), words(right ?? '')]
  const all = [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after]
  return Uint8Array.from(all.flatMap((word) => [word >> 8, word & 0xff]))
}

const dot = '.'.charCodeAt(0)
const zero = '0'.charCodeAt(0)

/** By hand, for a full load comes by here for every endpoint. */
function mappedBytes(address: string): Uint8Array {
  if (!isIPv4(address)) throw new Error(`${address} is no IP address`)
  const bytes = new Uint8Array(sizes.address)
  bytes[10] = 0xff
  bytes[11] = 0xff
  let at = 12
  let part = 0
  for (let i = 0; i < address.length; i++) {
    const code = address.charCodeAt(i)
    if (code === dot) {
      bytes[at++] = part
      part = 0
    } else part = part * 10 + code - zero
  }
  bytes[at] = part
  return bytes
}

export interface Place {
  readonly address: string
  readonly port: number
}

export function placeBytes({ address, port }: Place): Uint8Array {
  const bytes = new Uint8Array(sizes.place)
  bytes.set(addressBytes(address), placeAt.address)
  bytes[placeAt.port] = port >> 8
  bytes[placeAt.port + 1] = port & 0xff
  return bytes
}

export function frontendKey(protocol: BalancedProtocol, place: Place): Uint8Array {
  const bytes = new Uint8Array(mapSpecs.frontends.keyBytes)
  bytes.set(placeBytes(place).subarray(0, frontendKeyAt.protocol))
  bytes[frontendKeyAt.protocol] = protocolNumbers[protocol]
  return bytes
}

/** Words of four bytes, in the machine's order. */
export function wordBytes(...words: readonly number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(words).buffer)
}

/** The word at this offset, in the machine's order. */
export function wordIn(bytes: Uint8Array, offset: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(offset, true)
}

export function memberKey(set: number, place: Uint8Array): Uint8Array {
  const bytes = place.slice(0, mapSpecs.members.keyBytes)
  bytes.set(wordBytes(set), memberKeyAt.set)
  return bytes
}
