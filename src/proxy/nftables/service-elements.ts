import type { Bytes } from '../../netfilter/netlink/message.ts'
import type { AddressFamily, ProxiedPort } from '../service-port.ts'
import type { PortWithChoice } from '../service-rules.ts'
import { Choosers, type NumberedChooser } from './choosers.ts'
import { groupCount, groupOf } from './destination.ts'
import { ElementTable } from './element-table.ts'
import { type EndpointGroup, mostSticky, placeEndpoints } from './endpoint-group.ts'
import {
  type ChosenGroup,
  frontendsOf,
  type GroupElement,
  type GroupKind,
  groupElements,
  type PortElements,
  type PortGroups,
  portElements,
  targetOf,
} from './port-elements.ts'
import { bitsOfSourceRanges, sourceRanges } from './set-names.ts'

/** What a kernel holds already, to be taken over rather than written anew. */
export interface FoundElements {
  /** What a frontend's element tells; undefined: there is none. */
  destination(set: string, key: Bytes): number | undefined
  /** A group as far as it makes sense. */
  group(id: number): EndpointGroup
  readonly largestGroup: number
}

interface PortState {
  readonly owner: string
  readonly groups: PortGroups
  readonly elements: PortElements
}

/** From Services to elements: numbers groups, keeps endpoints in their slots, and tells the table what each port wants. */
export class ServiceElements {
  readonly table = new ElementTable()
  readonly choosers = new Choosers()
  /** Lengths of prefixes that source ranges have, or had until {@link retire}. */
  readonly rangeBits = new Set<number>()
  readonly #family: AddressFamily
  readonly #node: string
  readonly #services = new Map<string, readonly PortState[]>()
  readonly #groupsInUse = new Set<number>()
  #lastGroup = 0

  constructor(options: { family: AddressFamily; node: string }) {
    this.#family = options.family
    this.#node = options.node
  }

  /** `found`: while a kernel is taken over. Throws RangeError when there are more groups or choosers than numbers. */
  update(key: string, ports: readonly PortWithChoice[], found?: FoundElements): void {
    const before = new Map((this.#services.get(key) ?? []).map((state) => [state.owner, state]))
    const after = ports.map((each) => {
      const owner = `${each.port.name}/${each.port.protocol}`
      const old = before.get(owner)
      const had = old?.groups ?? this.#adopted(each.port, found)
      const groups = this.#groups(each, had)
      const state = { owner, groups, elements: portElements(this.#family, this.#node, each, groups) }
      this.#want(owner, state.elements, old?.elements)
      this.#place(groups, old?.groups ?? {})
      this.#free(had, groups)
      before.delete(owner)
      return state
    })
    for (const { owner, elements, groups } of before.values()) {
      this.#want(owner, { ofMaps: [], ofSets: [] }, elements)
      this.#place({}, groups)
      this.#free(groups, {})
    }
    if (after.length > 0) this.#services.set(key, after)
    else this.#services.delete(key)
  }

  #groups({ port, choice }: PortWithChoice, old: PortGroups): PortGroups {
    const groups: Partial<Record<GroupKind, ChosenGroup>> = {}
    for (const kind of ['cluster', 'local'] as const) {
      const chosen = choice[kind]
      if (chosen.length === 0) continue
      const affinitySeconds = chosen.length > mostSticky ? undefined : port.affinitySeconds
      const before = old[kind]?.group ?? { id: this.#nextGroup(), slots: [], lastNumber: 0 }
      const targets = chosen.map((endpoint) => targetOf(this.#family, endpoint))
      const group = placeEndpoints(before, targets, affinitySeconds !== undefined)
      groups[kind] = { group, code: this.choosers.need({ endpoints: group.slots.length, affinitySeconds }) }
    }
    return groups
  }

  /** The numbers go round, so that a number comes back as late as may be: a packet under way may still carry it, and clients are remembered by it. */
  #nextGroup(): number {
    if (this.#groupsInUse.size >= groupCount - 1) throw new RangeError(`more than ${groupCount - 1} groups of endpoints`)
    do this.#lastGroup = (this.#lastGroup + 1) % groupCount
    while (this.#lastGroup === 0 || this.#groupsInUse.has(this.#lastGroup))
    this.#groupsInUse.add(this.#lastGroup)
    return this.#lastGroup
  }

  #free(before: PortGroups, after: PortGroups): void {
    for (const kind of ['cluster', 'local'] as const) {
      const old = before[kind]
      if (!old) continue
      this.choosers.release(old.code)
      if (old.group.id !== after[kind]?.group.id) this.#groupsInUse.delete(old.group.id)
    }
  }

  /** Gives up choosers and lengths of prefixes that nobody needs any more, and answers them. */
  retire(): { choosers: readonly NumberedChooser[]; rangeBits: readonly number[] } {
    const rangeBits = [...this.rangeBits].filter((bits) => !this.table.has(sourceRanges(bits)))
    for (const bits of rangeBits) this.rangeBits.delete(bits)
    return { choosers: this.choosers.retire(), rangeBits }
  }

  /** The groups that the port's frontends had in the kernel, unless another port was there first. */
  #adopted(port: ProxiedPort, found: FoundElements | undefined): PortGroups {
    const groups: Partial<Record<GroupKind, ChosenGroup>> = {}
    if (!found) return groups
    this.#lastGroup = Math.max(this.#lastGroup, found.largestGroup)
    for (const { set, key, kind } of frontendsOf(this.#family, port)) {
      if (!kind || groups[kind]) continue
      const id = groupOf(found.destination(set, key) ?? 0)
      if (id === 0 || this.#groupsInUse.has(id)) continue
      this.#groupsInUse.add(id)
      groups[kind] = { group: found.group(id), code: 0 }
    }
    return groups
  }

  #want(owner: string, wanted: PortElements, before: PortElements | undefined): void {
    const { table } = this
    const kept = new Map((before?.ofMaps ?? []).map((element) => [element.set + element.key, element]))
    for (const { set, key, data } of wanted.ofMaps) {
      const same = kept.get(set + key)
      kept.delete(set + key)
      if (!same || same.data !== data) table.claim(set, key, owner, data)
    }
    for (const { set, key } of kept.values()) table.unclaim(set, key, owner)
    for (const { set, key } of wanted.ofSets) {
      table.hold(set, key)
      const bits = bitsOfSourceRanges(set)
      if (bits !== undefined) this.rangeBits.add(bits)
    }
    for (const { set, key } of before?.ofSets ?? []) table.letGo(set, key)
  }

  /** What endpoints there were follows from the groups, so it need not be remembered beside them. */
  #place(groups: PortGroups, before: PortGroups): void {
    for (const kind of ['cluster', 'local'] as const) {
      const wanted = elementsOf(groups[kind])
      const kept = new Map(elementsOf(before[kind]).map((element) => [element.set + element.key, element]))
      for (const { set, key, data } of wanted) {
        if (kept.get(set + key)?.data !== data) this.table.assign(set, key, data)
        kept.delete(set + key)
      }
      for (const { set, key } of kept.values()) this.table.unassign(set, key)
    }
  }

  get size(): number {
    return this.#services.size
  }
}

const elementsOf = (chosen: ChosenGroup | undefined): readonly GroupElement[] => (chosen ? groupElements(chosen.group) : [])
