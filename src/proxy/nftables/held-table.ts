import type { Bytes } from '../../netfilter/netlink/message.ts'
import { compileRule } from '../../netfilter/nftables/compile.ts'
import { type DataType, keyLength } from '../../netfilter/nftables/data-types.ts'
import { verdictText } from '../../netfilter/nftables/expressions.ts'
import type { BaseHook, Chain, Element, HeldChain, HeldSet, HeldTable, NftSet, Table } from '../../netfilter/nftables/ruleset.ts'
import { codeOf, groupOf, numberOfBytes } from './destination.ts'
import type { SetChanges } from './element-table.ts'
import type { EndpointGroup, Slot } from './endpoint-group.ts'
import type { FoundElements } from './service-elements.ts'
import * as sets from './set-names.ts'

/** What a former process left, as far as new state can be built upon it. Nothing in it is trusted: what differs is put right afterwards. */
export function foundIn(held: HeldTable): FoundElements {
  const elementsOf = (name: string): readonly Element[] => held.sets.find((set) => set.name === name)?.elements ?? []
  const frontends = new Map<string, number>()
  let largestGroup = 0
  for (const set of [sets.internal, sets.external, sets.externalNear, sets.nodePorts, sets.nodePortsNear]) {
    for (const { key, data } of elementsOf(set)) {
      if (data?.length !== 4) continue
      const value = numberOfBytes(data)
      frontends.set(set + key, value)
      largestGroup = Math.max(largestGroup, groupOf(value))
    }
  }
  const targets = new Map(elementsOf(sets.stickyEndpoints).map(({ key, data }) => [key, data]))
  const slots = new Map<number, Slot[]>()
  const add = (key: Bytes, slot: Slot): void => {
    const group = groupOf(numberOfBytes(key))
    const its = slots.get(group) ?? []
    slots.set(group, its)
    // A number too large is nobody's slot.
    const index = numberOfBytes(key.slice(4))
    if (index < maxFoundSlots) its[index] = slot
  }
  for (const { key, data } of elementsOf(sets.endpoints)) if (data !== undefined) add(key, { target: data, number: 0 })
  for (const { key, data } of elementsOf(sets.stickySlots)) {
    const target = data?.length === 4 ? targets.get(data) : undefined
    if (data === undefined || target === undefined) continue
    const value = numberOfBytes(data)
    if (groupOf(value) === groupOf(numberOfBytes(key)) && codeOf(value) > 0) add(key, { target, number: codeOf(value) })
  }
  return {
    destination: (set, key) => frontends.get(set + key),
    group: (id) => groupFrom(id, slots.get(id) ?? []),
    largestGroup,
  }
}

const maxFoundSlots = 1_000_000
/** Where there is a gap: an endpoint that nobody wants. */
const nobody: Slot = { target: '', number: 0 }

function groupFrom(id: number, found: readonly Slot[]): EndpointGroup {
  const slots = Array.from(found, (slot) => slot ?? nobody)
  return { id, slots, lastNumber: slots.reduce((last, { number }) => Math.max(last, number), 0) }
}

/** Clients that are remembered, to be carried over into a table made anew; none out of a set of another form, as other versions may have had. */
export function rememberedClients(held: HeldTable | undefined, wanted: NftSet): Element[] {
  const found = held?.sets.find((set) => set.name === wanted.name)
  if (!sameSet(found, wanted)) return []
  return (found?.elements ?? []).flatMap(({ key, data, timeoutMs }) =>
    data === undefined || timeoutMs === undefined ? [] : [{ key, data, timeoutMs }],
  )
}

export function sameChain(held: HeldChain | undefined, table: Table, { hook, rules }: Chain): boolean {
  if (!held || !sameHook(held, hook) || held.rules.length !== rules.length) return false
  return rules.every((rule, i) => {
    const its = held.rules[i]
    return its?.comment === rule.comment && canonical(its?.expressions) === canonical(compileRule(table, rule))
  })
}

export const sameHook = (held: HeldChain, hook: BaseHook | undefined): boolean =>
  !held.foreignHook && canonical(held.hook) === canonical(hook)

/** The kernel keeps what numgen yields as any other number. */
const plain = (types: readonly DataType[]): readonly DataType[] => types.map((type) => (type === 'index' ? 'mark' : type))

export function sameSet(held: HeldSet | undefined, wanted: NftSet): boolean {
  if (!held || held.keyLength !== keyLength(wanted.key)) return false
  const traits = ({ data, interval, dynamic, timeoutMs, size, counter }: Partial<NftSet>): string =>
    canonical({ data, interval, dynamic, timeoutMs, size, counter })
  return canonical(held.key) === canonical(plain(wanted.key)) && traits(held) === traits(wanted)
}

/** Text that is equal for equal values, whatever the order of their fields. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, each: unknown) =>
    each !== null && typeof each === 'object' && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  )
}

/** What must be done to a set that holds some elements, for it to hold others. */
export function setDifference(set: string, held: readonly Element[], wanted: readonly Element[]): SetChanges | undefined {
  const left = new Map(wanted.map((element) => [element.key, element]))
  const deleted: Element[] = []
  for (const element of held) {
    const want = left.get(element.key)
    if (want && sameElement(element, want)) left.delete(element.key)
    else deleted.push(element)
  }
  return deleted.length + left.size === 0 ? undefined : { set, deleted, added: [...left.values()] }
}

function sameElement(a: Element, b: Element): boolean {
  const verdict = ({ verdict }: Element): string => (verdict === undefined ? '' : verdictText(verdict))
  return a.data === b.data && a.end === b.end && verdict(a) === verdict(b) && a.comment === b.comment
}
