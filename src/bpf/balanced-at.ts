import { closeSync } from 'node:fs'
import { kernelNowNs } from '../host/clock.ts'
import { type Libc, loadLibc } from '../host/libc.ts'
import { BpfCalls } from './bpf-calls.ts'
import { namespaceCookieOf, pinnedPlace } from './pinned-client.ts'
import { closeAll, findMaps, findPrograms, isAttached, type MapFds, openCgroup } from './socket-attachment.ts'
import {
  type BalancedProtocol,
  endpointKeyAt,
  frontendAt,
  frontendKey,
  mapSpecs,
  type Place,
  placeAt,
  sizes,
  wordBytes,
  wordIn,
} from './socket-maps.ts'

/** Where the sockets of a cgroup's processes are sent when they connect to a frontend. */
export interface BalancedFrontend {
  /** Each gets the same share. */
  readonly endpoints: readonly Place[]
  /** 0: none. */
  readonly affinitySeconds: number
  /** With affinity: the one that this client is sent to again; undefined: it may go to any. */
  readonly pinnedTo: Place | undefined
}

/**
 * Asks the kernel's maps, as the programs do for the pod with the client's address. Undefined: sockets are not balanced there, or not for
 * this frontend.
 */
export function balancedAt(cgroupPath: string, protocol: BalancedProtocol, frontend: Place, client: string): BalancedFrontend | undefined {
  return withMaps(cgroupPath, (bpf, maps, libc) => {
    const value = frontendIn(bpf, maps, protocol, frontend)
    if (!value) return undefined
    const [set, count] = [wordIn(value, frontendAt.set), wordIn(value, frontendAt.count)]
    const endpoints: Place[] = []
    for (let slot = 0; slot < count; slot++) {
      const key = new Uint8Array(mapSpecs.endpoints.keyBytes)
      key.set(wordBytes(set), endpointKeyAt.set)
      key.set(wordBytes(slot), endpointKeyAt.slot)
      const place = bpf.lookup(maps.endpoints, key, new Uint8Array(sizes.place))
      if (place) endpoints.push(placeOf(place))
    }
    const affinitySeconds = wordIn(value, frontendAt.affinitySeconds)
    const cookie = affinitySeconds > 0 ? namespaceCookieOf(libc, cgroupPath, client) : undefined
    const pinned = cookie === undefined ? undefined : pinnedPlace({ bpf, maps }, { set, affinitySeconds }, { cookie, nowNs: kernelNowNs() })
    return { endpoints, affinitySeconds, pinnedTo: pinned && placeOf(pinned) }
  })
}

/** Tells how many connections and flows sockets have begun to any of some frontends. Undefined: sockets are not balanced there. */
export function balancedCounts(
  cgroupPath: string,
  ports: readonly { readonly protocol: BalancedProtocol; readonly frontends: readonly Place[] }[],
): number[] | undefined {
  return withMaps(cgroupPath, (bpf, maps) =>
    ports.map(({ protocol, frontends }) => {
      const values = frontends.map((frontend) => frontendIn(bpf, maps, protocol, frontend)).filter((value) => value !== undefined)
      const sets = new Set(values.map((value) => wordIn(value, frontendAt.set)))
      return [...sets].reduce((sum, set) => sum + countOf(bpf, maps, set), 0)
    }),
  )
}

function frontendIn(bpf: BpfCalls, maps: MapFds, protocol: BalancedProtocol, frontend: Place): Uint8Array | undefined {
  return bpf.lookup(maps.frontends, frontendKey(protocol, frontend), new Uint8Array(mapSpecs.frontends.valueBytes))
}

function countOf(bpf: BpfCalls, maps: MapFds, set: number): number {
  const value = bpf.lookup(maps.counters, wordBytes(set), new Uint8Array(mapSpecs.counters.valueBytes))
  return value ? Number(new DataView(value.buffer, value.byteOffset).getBigUint64(0, true)) : 0
}

function withMaps<T>(cgroupPath: string, run: (bpf: BpfCalls, maps: MapFds, libc: Libc) => T | undefined): T | undefined {
  const libc = loadLibc()
  if (!libc) return undefined
  const bpf = new BpfCalls(libc)
  const cgroup = openCgroup(cgroupPath)
  try {
    if (!isAttached(bpf, cgroup)) return undefined
    const programs = findPrograms(bpf, cgroup)
    const maps = findMaps(bpf, programs.values())
    for (const program of programs.values()) closeSync(program)
    if (!maps) return undefined
    try {
      return run(bpf, maps, libc)
    } finally {
      closeAll(maps)
    }
  } finally {
    closeSync(cgroup)
  }
}

function placeOf(bytes: Uint8Array): Place {
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const port = view.getUint16(placeAt.port)
  const words = Array.from({ length: 8 }, (_, i) => view.getUint16(placeAt.address + i * 2))
  const isMapped = words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff
  if (isMapped) return { address: [...bytes.subarray(12, 16)].join('.'), port }
  return { address: new URL(`http://[${words.map((word) => word.toString(16)).join(':')}]/`).hostname.slice(1, -1), port }
}
