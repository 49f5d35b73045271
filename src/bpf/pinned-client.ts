import { networkInterfaces } from 'node:os'
import { type Libc, SystemCallError } from '../host/libc.ts'
import type { BpfCalls } from './bpf-calls.ts'
import type { MapFds } from './socket-attachment.ts'
import { networkNamespacesIn } from './socket-diagnosis.ts'
import { clientAt, clientKeyAt, clientKinds, mapSpecs, memberKey, sizes, wordBytes } from './socket-maps.ts'

/** socket(7). SO_NETNS_COOKIE: since Linux 5.14. */
const socketOptions = { family: 2, datagrams: 2, closeOnExec: 0o2000000, level: 1, namespaceCookie: 71 } as const

/** By which the programs know all sockets of the pod with this address; undefined: none of the cgroup's pods has it. */
export function namespaceCookieOf(libc: Libc, cgroupPath: string, address: string): bigint | undefined {
  for (const path of networkNamespacesIn(cgroupPath)) {
    const cookie = libc.inNetworkNamespace(path, () => (isHere(address) ? ownNamespaceCookie(libc) : undefined))
    if (cookie !== undefined) return cookie
  }
  return undefined
}

const isHere = (address: string): boolean =>
  Object.values(networkInterfaces()).some((addresses) => addresses?.some((one) => one.address === address))

/** Of this thread's network namespace; undefined: the kernel tells nobody. */
export function ownNamespaceCookie(libc: Libc): bigint | undefined {
  const fd = libc.socket(socketOptions.family, socketOptions.datagrams | socketOptions.closeOnExec, 0)
  try {
    const cookie = new Uint8Array(8)
    libc.getsockopt(fd, socketOptions.level, socketOptions.namespaceCookie, cookie)
    return new DataView(cookie.buffer).getBigUint64(0, true)
  } catch (error) {
    if (error instanceof SystemCallError && error.code === 'ENOPROTOOPT') return undefined
    throw error
  } finally {
    libc.close(fd)
  }
}

export interface PinningSet {
  readonly set: number
  readonly affinitySeconds: number
}

/** The endpoint that a client would be sent to again, asked as the programs ask; undefined: it may go to any. */
export function pinnedPlace(
  { bpf, maps }: { bpf: Pick<BpfCalls, 'lookup'>; maps: Pick<MapFds, 'clients' | 'members'> },
  { set, affinitySeconds }: PinningSet,
  { cookie, nowNs }: { cookie: bigint; nowNs: bigint },
): Uint8Array | undefined {
  const key = new Uint8Array(mapSpecs.clients.keyBytes)
  new DataView(key.buffer).setBigUint64(clientKeyAt.cookie, cookie, true)
  key.set(wordBytes(set), clientKeyAt.set)
  key.set(wordBytes(clientKinds.namespace), clientKeyAt.kind)
  const client = bpf.lookup(maps.clients, key, new Uint8Array(mapSpecs.clients.valueBytes))
  if (!client) return undefined
  const usedNs = new DataView(client.buffer, client.byteOffset).getBigUint64(clientAt.lastUsedNs, true)
  if (nowNs - usedNs > BigInt(affinitySeconds) * 1_000_000_000n) return undefined
  const place = client.slice(clientAt.place, clientAt.place + sizes.place)
  const isMember = bpf.lookup(maps.members, memberKey(set, place), new Uint8Array(mapSpecs.members.valueBytes)) !== undefined
  return isMember ? place : undefined
}
