import type { HeldChain, HeldSet, HeldTable, NftSet, Table } from '../../netfilter/nftables/ruleset.ts'
import type { Change, ElementsOf, Transaction } from '../../netfilter/nftables/transaction.ts'
import type { SetChanges } from './element-table.ts'
import { sameChain, sameHook, sameSet, setDifference } from './held-table.ts'

/**
 * What makes of a held table the wanted one, in place: where a table is made anew, a packet that is under way in the old rules finds the
 * old maps empty, and its connection is refused. What rules wrote into sets stays. No changes: nothing differs. Undefined: the table must be
 * made anew, as a set or a hook of another form cannot be changed.
 */
export function changesOf(held: HeldTable, table: Table, elementsOf: ElementsOf): Transaction | undefined {
  const heldSets = byName(held.sets)
  const heldChains = byName(held.chains)
  const isOtherSet = (set: NftSet): boolean => heldSets.has(set.name) && !sameSet(heldSets.get(set.name), set)
  const isOtherHook = ({ name, hook }: Table['chains'][number]): boolean => {
    const its = heldChains.get(name)
    return its !== undefined && !sameHook(its, hook)
  }
  if (held.dormant || table.sets.some(isOtherSet) || table.chains.some(isOtherHook)) return undefined
  const differing = table.chains.filter((chain) => !sameChain(heldChains.get(chain.name), table, chain))
  const written = table.sets.filter((set) => !set.dynamic || !heldSets.has(set.name))
  const elements = written
    .map((set) => setDifference(set.name, heldSets.get(set.name)?.elements ?? [], elementsOf(set)))
    .filter((each) => each !== undefined)
  return inOrder(held, table, { chains: differing.map(({ name }) => name), emptied: [], elements })
}

/** The same where nothing but names can be read: all is written. `forget`: what rules wrote into sets as well, for it was another's. */
export function changesOfUnread(held: HeldTable, table: Table, elementsOf: ElementsOf, forget: boolean): Transaction {
  const heldSets = byName(held.sets)
  const written = table.sets.filter((set) => !set.dynamic || !heldSets.has(set.name))
  return inOrder(held, table, {
    chains: table.chains.map(({ name }) => name),
    emptied: table.sets.filter((set) => heldSets.has(set.name) && (!set.dynamic || forget)),
    elements: written.map((set) => ({ set: set.name, deleted: [], added: elementsOf(set) })),
  })
}

interface Differences {
  /** Whose rules are written. */
  readonly chains: readonly string[]
  readonly emptied: readonly NftSet[]
  readonly elements: readonly SetChanges[]
}

/** Whatever is named comes before what names it, and goes after it. */
function inOrder(held: HeldTable, table: Table, { chains, emptied, elements }: Differences): Transaction {
  const [heldSets, heldChains] = [byName(held.sets), byName(held.chains)]
  const [wantedSets, wantedChains] = [byName(table.sets), byName(table.chains)]
  const goingChains = held.chains.filter(({ name }) => !wantedChains.has(name))
  const goingSets = held.sets.filter(({ name, anonymous }) => !wantedSets.has(name) && !anonymous)
  const written = table.chains.filter(({ name }) => chains.includes(name))
  const changes = elementChanges(table, elements)
  return {
    table,
    changes: [
      ...table.chains.filter(({ name }) => !heldChains.has(name)).map(({ name, hook }) => addChain(name, hook)),
      ...table.sets.filter(({ name }) => !heldSets.has(name)).map((set): Change => ({ kind: 'add set', set })),
      ...[...written.filter(({ name }) => heldChains.has(name)), ...goingChains].map(
        ({ name }): Change => ({ kind: 'flush chain', chain: name }),
      ),
      ...emptied.map((set): Change => ({ kind: 'flush set', set })),
      ...changes.filter(({ kind }) => kind === 'delete elements'),
      ...goingSets.map((set): Change => ({ kind: 'delete set', set: named(set) })),
      ...goingChains.map(({ name }): Change => ({ kind: 'delete chain', chain: name })),
      ...changes.filter(({ kind }) => kind === 'add elements'),
      ...written.flatMap(({ name, rules }) => rules.map((rule): Change => ({ kind: 'add rule', chain: name, rule }))),
    ],
  }
}

const byName = <T extends { name: string }>(all: readonly T[]): ReadonlyMap<string, T> => new Map(all.map((each) => [each.name, each]))

const addChain = (chain: string, hook: HeldChain['hook']): Change => ({ kind: 'add chain', chain, ...(hook === undefined ? {} : { hook }) })

/** Enough to delete it by. */
const named = ({ name, data }: HeldSet): NftSet => ({ name, key: [], ...(data === undefined ? {} : { data }) })

/** What goes before what comes, as an element changes by going and coming. */
export function elementChanges(table: Table, all: readonly SetChanges[]): Change[] {
  const byName = new Map(table.sets.map((set) => [set.name, set]))
  const going: Change[] = []
  const coming: Change[] = []
  for (const { set: name, deleted, added } of all) {
    const set = byName.get(name)
    if (!set) throw new Error(`no such set: ${name}`)
    if (deleted.length > 0) going.push({ kind: 'delete elements', set, elements: deleted })
    if (added.length > 0) coming.push({ kind: 'add elements', set, elements: added })
  }
  return [...going, ...coming]
}
