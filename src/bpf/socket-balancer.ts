import { closeSync } from 'node:fs'
import { type Libc, loadLibc, SystemCallError } from '../host/libc.ts'
import type { Log } from '../host/log.ts'
import { BpfCalls, VerifierError } from './bpf-calls.ts'
import {
  attachPrograms,
  closeAll,
  detachPrograms,
  findMaps,
  findPrograms,
  isAttached,
  loadPrograms,
  type MapFds,
  makeMaps,
  openCgroup,
  type ProgramFds,
} from './socket-attachment.ts'
import { canEndSockets, networkNamespacesIn, SocketDiagnosis } from './socket-diagnosis.ts'
import { flowAt, flowKeyAt, mapSpecs, memberKey, placeAt, sizes, wordIn } from './socket-maps.ts'
import { type BalancedPort, type FoundElements, type GoneEndpoint, SocketTable, type TableChange } from './socket-table.ts'

export interface SocketBalancerOptions {
  /** A cgroup of version 2: its processes, and those of all cgroups beneath, are balanced. */
  cgroupPath: string
  log: Log
}

/** Why there can be no socket balancing here. */
export interface Unavailable {
  readonly unavailable: string
}

/** Connections and flows that a port's frontends have begun since its set was made, over restarts of the balancer. */
export interface SocketCounter {
  readonly service: string
  readonly port: string
  readonly connections: bigint
}

/**
 * Balances the sockets of a cgroup's processes: connect() and sendmsg() to a frontend go to one of its endpoints, and no packet is
 * rewritten. Programs and maps stay with the cgroup when the process ends, and are taken over by the next.
 */
export class SocketBalancer {
  readonly #bpf: BpfCalls
  readonly #libc: Libc
  readonly #options: SocketBalancerOptions
  readonly #cgroup: number
  readonly #maps: MapFds
  readonly #programs: ProgramFds
  readonly #table: SocketTable
  /** What the kernel refused, to be tried again. */
  readonly #refused = new Map<string, readonly BalancedPort[]>()
  #gone: GoneEndpoint[] = []
  #started = false

  constructor(parts: { bpf: BpfCalls; libc: Libc; options: SocketBalancerOptions; cgroup: number; maps: MapFds; programs: ProgramFds }) {
    this.#bpf = parts.bpf
    this.#libc = parts.libc
    this.#options = parts.options
    this.#cgroup = parts.cgroup
    this.#maps = parts.maps
    this.#programs = parts.programs
    this.#table = new SocketTable(this.#found())
  }

  /**
   * A Service's (`ns/name`) ports as they are from now on; none: it is gone. In effect at once. If the kernel refuses (a map may be full),
   * the Service is left to what lies beneath, and this throws.
   */
  update(key: string, ports: readonly BalancedPort[]): void {
    this.#refused.delete(key)
    try {
      this.#apply(this.#table.update(key, ports))
    } catch (error) {
      this.#refused.set(key, ports)
      this.#apply(this.#table.update(key, []))
      throw error
    }
  }

  /** All Services are known: what an earlier run left of others goes, and the programs begin to work. */
  start(): void {
    if (this.#started) return
    this.#apply(this.#table.forgetOthers())
    attachPrograms(this.#bpf, this.#cgroup, this.#programs)
    this.#started = true
  }

  /** Puts right what was refused before, and programs that someone detached. True if there was something. */
  repair(): boolean {
    const refused = [...this.#refused]
    for (const [key, ports] of refused) this.update(key, ports)
    if (!this.#started) {
      this.start()
      return true
    }
    if (isAttached(this.#bpf, this.#cgroup)) return refused.length > 0
    attachPrograms(this.#bpf, this.#cgroup, this.#programs)
    this.#options.log.warn('someone else detached the programs that balance sockets; put back', { cgroup: this.#options.cgroupPath })
    return true
  }

  /**
   * Ends UDP sockets that are connected to endpoints gone since the last call: they would send there for ever. Processes see ECONNABORTED
   * and connect anew. Answers how many. Sockets that are not connected find another endpoint by themselves.
   */
  endStaleSockets(): number {
    const gone = this.#gone.filter(({ set, place }) => !this.#serves(set, place)) // some may have come back
    this.#gone = []
    if (gone.length === 0) return 0
    const ports = new Set(gone.map(({ place }) => portOf(place)))
    const sets = new Map<string, Set<number>>()
    for (const { place, set } of gone) {
      const key = Buffer.from(place).toString('latin1')
      sets.set(key, (sets.get(key) ?? new Set<number>()).add(set))
    }
    let ended = 0
    for (const namespace of networkNamespacesIn(this.#options.cgroupPath)) ended += this.#endStaleIn(namespace, ports, sets)
    return ended
  }

  #endStaleIn(namespace: string, ports: Iterable<number>, gone: ReadonlyMap<string, ReadonlySet<number>>): number {
    let diagnosis: SocketDiagnosis
    try {
      diagnosis = new SocketDiagnosis(this.#libc, namespace)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0 // the process has ended meanwhile
      throw error
    }
    try {
      const sockets = [...ports].flatMap((port) => diagnosis.connectedTo(port))
      return sockets.filter((socket) => {
        const sets = gone.get(Buffer.from(socket.peer).toString('latin1'))
        const set = sets && this.#setOfFlow(socket.cookie, socket.peer)
        return set !== undefined && sets?.has(set) && diagnosis.end(socket)
      }).length
    } finally {
      diagnosis.close()
    }
  }

  #serves(set: number, place: Uint8Array): boolean {
    return this.#bpf.lookup(this.#maps.members, memberKey(set, place), new Uint8Array(mapSpecs.members.valueBytes)) !== undefined
  }

  /** By which set a socket came to this endpoint; undefined: by itself. */
  #setOfFlow(cookie: bigint, peer: Uint8Array): number | undefined {
    const key = new Uint8Array(mapSpecs.flows.keyBytes)
    new DataView(key.buffer).setBigUint64(flowKeyAt.cookie, cookie, true)
    key.set(peer, flowKeyAt.place)
    const flow = this.#bpf.lookup(this.#maps.flows, key, new Uint8Array(mapSpecs.flows.valueBytes))
    return flow && wordIn(flow, flowAt.set)
  }

  counters(): SocketCounter[] {
    const counts = new Map<number, bigint>()
    for (const { key, value } of this.#bpf.entries(this.#maps.counters, mapSpecs.counters)) {
      counts.set(wordIn(key, 0), new DataView(value.buffer).getBigUint64(0, true))
    }
    return [...this.#table.sets()].map(({ service, port, set }) => ({ service, port, connections: counts.get(set) ?? 0n }))
  }

  get counts(): { readonly frontends: number; readonly endpoints: number } {
    return this.#table.counts
  }

  /** Lets go of what is held open; everything goes on working. */
  close(): void {
    closeAll(this.#maps)
    closeAll(this.#programs)
    closeSync(this.#cgroup)
  }

  /** After a refusal, what is to be deleted still is: the table takes it as gone. */
  #apply({ elements, gone }: TableChange): void {
    this.#gone.push(...gone)
    let refusal: unknown
    for (const { map, key, value } of elements) {
      if (!value) this.#bpf.delete(this.#maps[map], key)
      else if (refusal === undefined) refusal = this.#refusalOf(() => this.#bpf.update(this.#maps[map], key, value))
    }
    if (refusal !== undefined) throw refusal
  }

  #refusalOf(act: () => void): unknown {
    try {
      act()
      return undefined
    } catch (error) {
      return error
    }
  }

  #found(): FoundElements {
    const read = (map: keyof FoundElements) => this.#bpf.entries(this.#maps[map], mapSpecs[map])
    return { frontends: read('frontends'), endpoints: read('endpoints'), members: read('members'), counters: read('counters') }
  }
}

const portOf = (place: Uint8Array): number => new DataView(place.buffer, place.byteOffset, sizes.place).getUint16(placeAt.port)

/**
 * Loads programs and maps, those of an earlier run taken over; nothing changes for processes before `start`. Answers why not where the
 * machine can't do it; throws on what is no lack of the machine's.
 */
export function openSocketBalancer(options: SocketBalancerOptions, load = loadLibc): SocketBalancer | Unavailable {
  let missing = ''
  const libc = load((reason) => {
    missing = reason
  })
  if (!libc) return { unavailable: `system calls can't be made: ${missing}` }
  try {
    return open(options, libc)
  } catch (error) {
    if (error instanceof VerifierError || error instanceof SystemCallError || isLackOfCgroup(error)) {
      return { unavailable: (error as Error).message }
    }
    throw error
  }
}

function open(options: SocketBalancerOptions, libc: Libc): SocketBalancer {
  const bpf = new BpfCalls(libc)
  const cgroup = openCgroup(options.cgroupPath)
  let maps: MapFds | undefined
  try {
    const before = findPrograms(bpf, cgroup)
    try {
      maps = findMaps(bpf, before.values()) ?? makeMaps(bpf)
    } finally {
      for (const program of before.values()) closeSync(program)
    }
    const connectedUdp = canEndSockets(libc)
    if (!connectedUdp) options.log.info('connected UDP sockets are left to netfilter: this kernel does not end sockets on request')
    return new SocketBalancer({ bpf, libc, options, cgroup, maps, programs: loadPrograms(bpf, maps, { connectedUdp }) })
  } catch (error) {
    if (maps) closeAll(maps)
    closeSync(cgroup)
    throw error
  }
}

const isLackOfCgroup = (error: unknown): boolean =>
  error instanceof Error && (/is no cgroup|on \w+ is not known/.test(error.message) || (error as NodeJS.ErrnoException).code === 'ENOENT')

/** Takes the programs from a cgroup: its processes' connections go on, new ones take the way through netfilter. False: there were none. */
export function removeSocketBalancing(cgroupPath: string): boolean {
  let cgroup: number
  try {
    cgroup = openCgroup(cgroupPath)
  } catch (error) {
    if (isLackOfCgroup(error)) return false
    throw error
  }
  try {
    const libc = loadLibc()
    return libc !== undefined && detachPrograms(new BpfCalls(libc), cgroup) // without it none can have been attached by us
  } catch (error) {
    if (error instanceof SystemCallError && ['ENOSYS', 'EPERM', 'EINVAL'].includes(error.code)) return false
    throw error
  } finally {
    closeSync(cgroup)
  }
}
