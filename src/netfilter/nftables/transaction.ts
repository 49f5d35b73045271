import type { BaseHook, Element, Family, NftSet, Rule, Table } from './ruleset.ts'

/** Changes to one table, all or none of them, in order. */
export interface Transaction {
  /** Named, with the sets that rules speak of. */
  table: Pick<Table, 'family' | 'name' | 'sets'>
  changes: readonly Change[]
}

/**
 * What is added may be there already, if it is the same. What is deleted must be there. A set or chain can only be deleted when no rule and
 * no verdict is left that names it; deleting the table takes all that is in it along.
 */
export type Change =
  | { kind: 'add table' }
  | { kind: 'delete table' }
  | { kind: 'add chain'; chain: string; hook?: BaseHook }
  | { kind: 'delete chain'; chain: string }
  /** Deletes its rules. */
  | { kind: 'flush chain'; chain: string }
  /** Behind those that are there. */
  | { kind: 'add rule'; chain: string; rule: Rule }
  | { kind: 'delete rule'; chain: string; handle: number }
  | { kind: 'add set'; set: NftSet }
  | { kind: 'delete set'; set: NftSet }
  /** Deletes its elements. */
  | { kind: 'flush set'; set: NftSet }
  /** An element whose key is there already must have the same data: to change it, delete it first in the same transaction. */
  | { kind: 'add elements'; set: NftSet; elements: readonly Element[] }
  | { kind: 'delete elements'; set: NftSet; elements: readonly Pick<Element, 'key' | 'end'>[] }
  | { kind: 'add counter'; counter: string }
  | { kind: 'delete counter'; counter: string }

export type ElementsOf = (set: NftSet) => readonly Element[]

/** Makes the table anew with everything in it, whatever was there under its name. */
export function replaceTable(table: Table, elementsOf: ElementsOf, counters: readonly string[] = []): Transaction {
  // Added before it is deleted, since what is not there cannot be deleted.
  return {
    table,
    changes: [{ kind: 'add table' }, { kind: 'delete table' }, ...contentsOf(table, elementsOf, counters)],
  }
}

/** Makes the table, where there is none of its name. */
export function createTable(table: Table, elementsOf: ElementsOf, counters: readonly string[] = []): Transaction {
  return { table, changes: contentsOf(table, elementsOf, counters) }
}

/** Deletes the table, if it is there. */
export function removeTable(family: Family, name: string): Transaction {
  return { table: { family, name, sets: [] }, changes: [{ kind: 'add table' }, { kind: 'delete table' }] }
}

function contentsOf(table: Table, elementsOf: ElementsOf, counters: readonly string[]): Change[] {
  const changes: Change[] = [{ kind: 'add table' }]
  for (const counter of counters) changes.push({ kind: 'add counter', counter })
  // All chains before the first rule or verdict that names one.
  for (const { name, hook } of table.chains) changes.push({ kind: 'add chain', chain: name, ...(hook === undefined ? {} : { hook }) })
  for (const set of table.sets) changes.push({ kind: 'add set', set })
  for (const set of table.sets) {
    const elements = elementsOf(set)
    if (elements.length > 0) changes.push({ kind: 'add elements', set, elements })
  }
  for (const chain of table.chains) for (const rule of chain.rules) changes.push({ kind: 'add rule', chain: chain.name, rule })
  return changes
}
