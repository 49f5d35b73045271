import { compileRule } from '../compile.ts'
import { tableName } from '../kernel.ts'
import type { Element, NftSet } from '../ruleset.ts'
import type { Change, Transaction } from '../transaction.ts'
import { checkElement, checkNames, expressionsOf, targetOf, verdictsOf } from './fake-checks.ts'
import { type FakeChain, type FakeRule, type FakeSet, type FakeTable, Refusal } from './fake-table.ts'

/** One transaction's changes, made in place, each with its way back. */
export class Draft {
  readonly #tables: Map<string, FakeTable>
  readonly #of: Transaction['table']
  readonly #handle: () => number
  readonly #undo: (() => void)[]

  constructor(tables: Map<string, FakeTable>, of: Transaction['table'], handle: () => number, undo: (() => void)[]) {
    this.#tables = tables
    this.#of = of
    this.#handle = handle
    this.#undo = undo
  }

  change(change: Change): void {
    const { family, name } = this.#of
    if (change.kind === 'add table') {
      if (this.#tables.has(tableName(family, name))) return
      const table = { family, name, sets: new Map(), chains: new Map(), counters: new Set<string>() }
      this.#set(this.#tables, tableName(family, name), table)
      return
    }
    const table = this.#tables.get(tableName(family, name))
    if (table === undefined) throw new Refusal('ENOENT')
    switch (change.kind) {
      case 'delete table':
        this.#delete(this.#tables, tableName(family, name))
        return
      case 'add set':
      case 'delete set':
      case 'flush set':
      case 'add elements':
      case 'delete elements':
        this.#changeSet(table, change)
        return
      case 'add counter':
        if (!table.counters.has(change.counter)) this.#setMember(table.counters, change.counter, true)
        return
      case 'delete counter':
        this.#deleteCounter(table, change.counter)
        return
      default:
        this.#changeChain(table, change)
        return
    }
  }

  #changeChain(table: FakeTable, change: Extract<Change, { chain: string }>): void {
    const chain = table.chains.get(change.chain)
    if (change.kind === 'add chain') {
      if (chain === undefined) this.#set(table.chains, change.chain, { hook: change.hook, rules: [] })
      else if (change.hook !== undefined && JSON.stringify(chain.hook) !== JSON.stringify(change.hook)) throw new Refusal('EEXIST')
      return
    }
    if (chain === undefined) throw new Refusal('ENOENT')
    switch (change.kind) {
      case 'delete chain':
        this.#replaceRules(chain, [])
        if (verdictsOf(table).some((verdict) => targetOf(verdict) === change.chain)) throw new Refusal('EBUSY')
        this.#delete(table.chains, change.chain)
        return
      case 'flush chain':
        this.#replaceRules(chain, [])
        return
      case 'delete rule':
        if (!chain.rules.some(({ handle }) => handle === change.handle)) throw new Refusal('ENOENT')
        this.#replaceRules(
          chain,
          chain.rules.filter(({ handle }) => handle !== change.handle),
        )
        return
      case 'add rule': {
        const expressions = compileRule(this.#of, change.rule)
        checkNames(table, expressions)
        const comment = change.rule.comment === undefined ? {} : { comment: change.rule.comment }
        this.#replaceRules(chain, [...chain.rules, { handle: this.#handle(), expressions, ...comment }])
        return
      }
    }
  }

  #replaceRules(chain: FakeChain, rules: FakeRule[]): void {
    const before = chain.rules
    chain.rules = rules
    this.#undo.push(() => {
      chain.rules = before
    })
  }

  #changeSet(table: FakeTable, change: Extract<Change, { set: NftSet }>): void {
    const set = table.sets.get(change.set.name)
    if (change.kind === 'add set') {
      if (set === undefined) this.#set(table.sets, change.set.name, { spec: change.set, elements: new Map() })
      else if (JSON.stringify(set.spec) !== JSON.stringify(change.set)) throw new Refusal('EEXIST')
      return
    }
    if (set === undefined) throw new Refusal('ENOENT')
    switch (change.kind) {
      case 'delete set':
        if (expressionsOf(table).some((e) => 'set' in e && e.set === change.set.name)) throw new Refusal('EBUSY')
        this.#delete(table.sets, change.set.name)
        return
      case 'flush set':
        for (const key of [...set.elements.keys()]) this.#delete(set.elements, key)
        return
      case 'add elements':
        for (const [index, element] of change.elements.entries()) this.#addElement(table, set, element, index)
        return
      case 'delete elements':
        for (const [index, { key, end = key }] of change.elements.entries()) {
          const held = set.elements.get(key)
          if (held === undefined || (held.end ?? held.key) !== end) throw new Refusal('ENOENT', index)
          this.#delete(set.elements, key)
        }
    }
  }

  #addElement(table: FakeTable, set: FakeSet, element: Element, index: number): void {
    checkElement(table, set.spec, element, index)
    const held = set.elements.get(element.key)
    if (held !== undefined) {
      const same = held.data === element.data && held.counter === element.counter && (held.end ?? held.key) === (element.end ?? element.key)
      if (!same || JSON.stringify(held.verdict) !== JSON.stringify(element.verdict)) throw new Refusal('EEXIST', index)
      return
    }
    if (set.spec.size !== undefined && set.elements.size >= set.spec.size) throw new Refusal('ENFILE', index)
    if (set.spec.interval && set.spec.key.length === 1) {
      const [low, high] = [element.key, element.end ?? element.key]
      for (const other of set.elements.values()) {
        if (low <= (other.end ?? other.key) && high >= other.key) throw new Refusal('EEXIST', index)
      }
    }
    this.#set(set.elements, element.key, element)
  }

  #deleteCounter(table: FakeTable, counter: string): void {
    if (!table.counters.has(counter)) throw new Refusal('ENOENT')
    const byRule = expressionsOf(table).some((e) => e.name === 'objref' && 'object' in e && e.object === counter)
    const byElement = [...table.sets.values()].some(({ elements }) => [...elements.values()].some((element) => element.counter === counter))
    if (byRule || byElement) throw new Refusal('EBUSY')
    this.#setMember(table.counters, counter, false)
  }

  #set<K, V>(map: Map<K, V>, key: K, value: V): void {
    map.set(key, value)
    this.#undo.push(() => map.delete(key))
  }

  #delete<K, V>(map: Map<K, V>, key: K): void {
    const before = map.get(key) as V
    map.delete(key)
    this.#undo.push(() => map.set(key, before))
  }

  #setMember<V>(set: Set<V>, value: V, member: boolean): void {
    if (member) set.add(value)
    else set.delete(value)
    this.#undo.push(() => (member ? set.delete(value) : set.add(value)))
  }
}
