import { type ByteText, bytesOf, byteText, type EndpointSet, planSlots } from './endpoint-set.ts'
import {
  type BalancedProtocol,
  frontendAt,
  frontendKey,
  type MapName,
  mapSpecs,
  memberKey,
  memberKeyAt,
  type Place,
  placeBytes,
  sizes,
  wordBytes,
  wordIn,
} from './socket-maps.ts'

/** One port of a Service, under one traffic policy: what is sent to any of its frontends goes to any of its endpoints. */
export interface BalancedPort {
  /** Tells the ports of one Service apart, and stays the same with the port. */
  readonly name: string
  readonly protocol: BalancedProtocol
  readonly frontends: readonly Place[]
  /** None: the frontends are left to whatever lies beneath. */
  readonly endpoints: readonly Place[]
  /** How long a client stays with its endpoint; undefined without session affinity. */
  readonly affinitySeconds: number | undefined
}

/** One element to set, or to delete where there is no value. To be done in order: at every moment in between the maps make sense. */
export interface ElementChange {
  readonly map: MapName
  readonly key: Uint8Array
  readonly value?: Uint8Array
}

/** An endpoint of UDP that serves no more, by the set it was in. */
export interface GoneEndpoint {
  readonly set: number
  readonly place: Uint8Array
}

export interface TableChange {
  readonly elements: readonly ElementChange[]
  readonly gone: readonly GoneEndpoint[]
}

/** The maps' contents, as an earlier run left them. */
export type FoundElements = Readonly<
  Record<'frontends' | 'endpoints' | 'members' | 'counters', Iterable<{ key: Uint8Array; value: Uint8Array }>>
>

class Changes implements TableChange {
  readonly elements: ElementChange[]
  readonly gone: GoneEndpoint[] = []

  constructor(first: ElementChange[]) {
    this.elements = first
  }

  set(map: MapName, key: Uint8Array, value: Uint8Array): void {
    this.elements.push({ map, key, value })
  }

  delete(map: MapName, key: Uint8Array): void {
    this.elements.push({ map, key })
  }

  dropMember(set: EndpointSet, member: ByteText): void {
    const place = bytesOf(member)
    this.delete('members', memberKey(set.id, place))
    this.gone.push({ set: set.id, place })
  }
}

/** Everything that is in the maps, and which element changes a Service's change comes to. No system calls. */
export class SocketTable {
  /** By Service (`ns/name`), then by port. */
  readonly #services = new Map<string, Map<string, EndpointSet>>()
  /** What is in the map of frontends. */
  readonly #written = new Map<ByteText, ByteText>()
  /** Who wants a frontend, the first of them having it: two Services may name one external address. */
  readonly #claims = new Map<ByteText, EndpointSet[]>()
  /** Left by an earlier run, until a port with one of their frontends takes them over. */
  readonly #found = new Map<number, EndpointSet>()
  /** Slots that are not counted any more: a program may have read the old number just now, so they go with a later change. */
  readonly #surplus = new Map<ByteText, Uint8Array>()
  #lastId = 0

  constructor(found?: FoundElements) {
    if (found) this.#takeOver(found)
  }

  /** A Service's ports as they are from now on; none: it is gone. */
  update(key: string, ports: readonly BalancedPort[]): TableChange {
    const changes = new Changes(this.#dropSurplus())
    const before = this.#services.get(key) ?? new Map<string, EndpointSet>()
    const after = new Map<string, EndpointSet>()
    for (const port of ports) {
      const frontends = port.frontends.map((place) => byteText(frontendKey(port.protocol, place)))
      const set = before.get(port.name) ?? this.#adoptOrMake(frontends, changes)
      after.set(port.name, set)
      this.#change(set, port, frontends, changes)
    }
    for (const [name, set] of before) if (!after.has(name)) this.#remove(set, changes)
    if (after.size > 0) this.#services.set(key, after)
    else this.#services.delete(key)
    return changes
  }

  /** Takes away what an earlier run left and no update has named: to be called once all Services are known. */
  forgetOthers(): TableChange {
    const changes = new Changes(this.#dropSurplus())
    for (const frontend of [...this.#written.keys()]) if (!this.#claims.has(frontend)) this.#writeFrontend(frontend, changes)
    for (const set of this.#found.values()) this.#remove(set, changes)
    this.#found.clear()
    return changes
  }

  /** Set ids by Service and port. */
  *sets(): Generator<{ readonly service: string; readonly port: string; readonly set: number }> {
    for (const [service, ports] of this.#services) for (const [port, { id }] of ports) yield { service, port, set: id }
  }

  get counts(): { readonly frontends: number; readonly endpoints: number } {
    let endpoints = 0
    for (const ports of this.#services.values()) for (const { slots } of ports.values()) endpoints += slots.length
    return { frontends: this.#written.size, endpoints }
  }

  /** Endpoints first, then the number that counts them, and only then what is gone. */
  #change(set: EndpointSet, port: BalancedPort, frontends: readonly ByteText[], changes: Changes): void {
    const wanted = new Set(port.endpoints.map((place) => byteText(placeBytes(place))))
    const affinitySeconds = port.affinitySeconds ?? 0
    const members = affinitySeconds > 0 || port.protocol === 'udp' ? wanted : new Set<ByteText>()
    for (const member of members) if (!set.members.has(member)) changes.set('members', memberKey(set.id, bytesOf(member)), wordBytes(1))
    const { slots, writes, surplus } = planSlots(set.slots, wanted)
    for (const { slot, endpoint } of writes) {
      const key = wordBytes(set.id, slot)
      this.#surplus.delete(byteText(key))
      changes.set('endpoints', key, bytesOf(endpoint))
    }
    const kept = new Set(frontends)
    const gone = set.frontends.filter((frontend) => !kept.has(frontend))
    const lost = [...set.members].filter((member) => !members.has(member))
    Object.assign(set, { slots, members, affinitySeconds, frontends })
    for (const frontend of gone) this.#release(frontend, set, changes)
    for (const frontend of frontends) this.#claim(frontend, set, changes)
    for (const member of lost) changes.dropMember(set, member)
    for (const slot of surplus) this.#dropLater(set.id, slot)
  }

  #remove(set: EndpointSet, changes: Changes): void {
    const { id, slots, members, frontends } = set
    set.slots = []
    for (const frontend of frontends) this.#release(frontend, set, changes)
    for (const member of members) changes.dropMember(set, member)
    changes.delete('counters', wordBytes(id))
    slots.forEach((_, slot) => {
      this.#dropLater(id, slot)
    })
  }

  #dropLater(set: number, slot: number): void {
    const key = wordBytes(set, slot)
    this.#surplus.set(byteText(key), key)
  }

  #dropSurplus(): ElementChange[] {
    const changes = [...this.#surplus.values()].map((key): ElementChange => ({ map: 'endpoints', key }))
    this.#surplus.clear()
    return changes
  }

  #claim(frontend: ByteText, set: EndpointSet, changes: Changes): void {
    const claims = this.#claims.get(frontend) ?? []
    if (!claims.includes(set)) this.#claims.set(frontend, [...claims, set])
    this.#writeFrontend(frontend, changes)
  }

  #release(frontend: ByteText, set: EndpointSet, changes: Changes): void {
    const left = (this.#claims.get(frontend) ?? []).filter((each) => each !== set)
    if (left.length > 0) this.#claims.set(frontend, left)
    else this.#claims.delete(frontend)
    this.#writeFrontend(frontend, changes)
  }

  #writeFrontend(frontend: ByteText, changes: Changes): void {
    const owner = this.#claims.get(frontend)?.[0]
    const before = this.#written.get(frontend)
    if (owner === undefined || owner.slots.length === 0) {
      if (before === undefined) return
      this.#written.delete(frontend)
      changes.delete('frontends', bytesOf(frontend))
      return
    }
    const value = wordBytes(owner.id, owner.slots.length, owner.affinitySeconds, 0)
    if (byteText(value) === before) return
    this.#written.set(frontend, byteText(value))
    changes.set('frontends', bytesOf(frontend), value)
  }

  #adoptOrMake(frontends: readonly ByteText[], changes: Changes): EndpointSet {
    for (const frontend of frontends) {
      const value = this.#written.get(frontend)
      const set = value === undefined ? undefined : this.#found.get(wordIn(bytesOf(value), frontendAt.set))
      if (!set) continue
      this.#found.delete(set.id)
      return set
    }
    this.#lastId++
    changes.set('counters', wordBytes(this.#lastId), new Uint8Array(mapSpecs.counters.valueBytes))
    return { id: this.#lastId, slots: [], members: new Set(), affinitySeconds: 0, frontends: [] }
  }

  #takeOver({ frontends, endpoints, members, counters }: FoundElements): void {
    const setOf = (id: number): EndpointSet => {
      this.#lastId = Math.max(this.#lastId, id)
      const set = this.#found.get(id) ?? { id, slots: [], members: new Set(), affinitySeconds: 0, frontends: [] }
      this.#found.set(id, set)
      return set
    }
    const slots = new Map<EndpointSet, Map<number, ByteText>>()
    for (const { key, value } of endpoints) {
      const set = setOf(wordIn(key, 0))
      slots.set(set, (slots.get(set) ?? new Map<number, ByteText>()).set(wordIn(key, 4), byteText(value)))
    }
    for (const { key } of members) setOf(wordIn(key, memberKeyAt.set)).members.add(memberPlace(key))
    for (const { key } of counters) setOf(wordIn(key, 0))
    for (const [set, found] of slots) {
      while (found.has(set.slots.length)) set.slots.push(found.get(set.slots.length) as ByteText)
      for (const slot of found.keys()) if (slot >= set.slots.length) this.#dropLater(set.id, slot)
    }
    for (const { key, value } of frontends) this.#written.set(byteText(key), byteText(value))
  }
}

function memberPlace(key: Uint8Array): ByteText {
  const place = new Uint8Array(sizes.place)
  place.set(key.subarray(0, memberKeyAt.set))
  return byteText(place)
}
