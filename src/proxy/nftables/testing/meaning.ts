import type { HeldTable } from '../../../netfilter/nftables/ruleset.ts'
import type { FakeNftables } from '../../../netfilter/nftables/testing/fake-nftables.ts'
import { keyText } from '../../../netfilter/nftables/values.ts'
import { codeOf, drop, groupOf, numberOfBytes, refuse } from '../destination.ts'
import * as sets from '../set-names.ts'

const frontends = [sets.internal, sets.external, sets.externalNear, sets.nodePorts, sets.nodePortsNear]
const plainSets = [sets.clusterIps, sets.externalIps, sets.guarded, sets.hairpin, sets.nodeAddresses]

/**
 * All that a table says, without the numbers that depend on history: its chains and sets, each frontend with its endpoints, and what no
 * frontend leads to.
 */
export function meaningOfTable(table: HeldTable): Record<string, unknown> {
  const elementsOf = (name: string) => table.sets.find((set) => set.name === name)?.elements ?? []
  const text = (name: string): string[] => elementsOf(name).map(({ key, end }) => JSON.stringify([...key, '-', ...(end ?? '')]))
  const choosers = new Map(
    elementsOf(sets.choosers).map(({ key, verdict }) => [
      numberOfBytes(key),
      typeof verdict === 'object' && 'goto' in verdict ? verdict.goto : verdict,
    ]),
  )
  const groups = groupsOf(elementsOf)
  const orphans = new Set(groups.keys())
  const meaning: Record<string, unknown> = {}
  for (const name of frontends) {
    const set = table.sets.find((each) => each.name === name)
    for (const { key, data } of set?.elements ?? []) {
      const value = numberOfBytes(data ?? '')
      orphans.delete(groupOf(value))
      const what = codeOf(value) === refuse || codeOf(value) === drop ? '' : ` ${groups.get(groupOf(value))?.join(' ')}`
      meaning[`${name} ${keyText(set?.key ?? [], key)}`] = `${choosers.get(codeOf(value))}${what}`
    }
  }
  for (const name of plainSets) meaning[name] = text(name).sort()
  for (const { name } of table.sets) if (name.startsWith('source-ranges-')) meaning[name] = text(name).sort()
  const chains = table.chains.map(({ name, rules }) => `${name}: ${rules.length}`).sort()
  return {
    ...meaning,
    chains,
    choosers: [...choosers.values()].sort(),
    orphans: [...orphans].map((group) => groups.get(group)?.join(' ')).sort(),
  }
}

/** The endpoints of each group; a gap or a leftover shows. */
function groupsOf(elementsOf: (name: string) => HeldTable['sets'][number]['elements']): Map<number, string[]> {
  const groups = new Map<number, string[]>()
  const slotsOf = (name: string): { group: number; index: number; data: string }[] =>
    elementsOf(name).map(({ key, data = '' }) => ({ group: groupOf(numberOfBytes(key)), index: numberOfBytes(key.slice(4)), data }))
  const targets = new Map(elementsOf(sets.stickyEndpoints).map(({ key, data = '' }) => [key, data]))
  const sticky = slotsOf(sets.stickySlots).map((slot) => ({ ...slot, data: targets.get(slot.data) ?? 'nobody' }))
  for (const { group, data } of [...slotsOf(sets.endpoints), ...sticky]) groups.set(group, [...(groups.get(group) ?? []), hex(data)])
  for (const [group, all] of groups) groups.set(group, all.sort())
  for (const { group, index } of [...slotsOf(sets.endpoints), ...sticky]) {
    if (index >= (groups.get(group)?.length ?? 0)) groups.get(group)?.push(`slot ${index} beyond the end`)
  }
  const used = new Set(elementsOf(sets.stickySlots).map(({ data }) => data))
  for (const { key } of elementsOf(sets.stickyEndpoints))
    if (!used.has(key)) groups.get(groupOf(numberOfBytes(key)))?.push('without a slot')
  return groups
}

const hex = (bytes: string): string => Buffer.from(bytes, 'latin1').toString('hex')

export function meaningOf(kernel: FakeNftables): Record<string, unknown> {
  const [table] = kernel.held().filter(({ name }) => name === sets.tableName(''))
  return table ? meaningOfTable(table) : {}
}
