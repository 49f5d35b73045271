import type { Message } from '../netlink/message.ts'
import { InterruptedDumpError, type NetlinkRequests } from '../netlink/requests.ts'
import { chainFrom, counterFrom, elementsFrom, familyOf, joinRanges, type RawElement, ruleFrom, setFrom, tableFrom } from './held.ts'
import { tableName } from './kernel.ts'
import * as numbers from './numbers.ts'
import type { AnyFamily, HeldElement, HeldSet, HeldTable } from './ruleset.ts'

/** Readings that someone's change interrupts are begun again this often. */
const tries = 20

/** Reads tables as they are at one moment: the kernel counts generations of its rule set, and a reading lies within one. */
export class TableReader {
  readonly #requests: NetlinkRequests

  constructor(requests: NetlinkRequests) {
    this.#requests = requests
  }

  /** Family 0 is all families. */
  read(family: number, name?: string): HeldTable[] {
    return this.#consistently(() => {
      const all = this.#requests.dump(numbers.msg.getTable, family).flatMap((message) => tableFrom(message) ?? [])
      const held = name === undefined ? all : all.filter((table) => table.name === name)
      if (held.length > 0) this.#fill(held, family)
      return held
    })
  }

  /** Counts all transactions of the namespace. */
  generation(): number | undefined {
    return this.#requests.ask(numbers.msg.getGen, 0, 0)[0]?.attributes.u32(numbers.gen.id)
  }

  #consistently<T>(read: () => T): T {
    for (let tried = 1; ; tried++) {
      try {
        const before = this.generation()
        const held = read()
        if (this.generation() === before) return held
      } catch (error) {
        if (!(error instanceof InterruptedDumpError)) throw error
      }
      if (tried === tries) throw new Error(`nftables: the rules changed under each of ${tries} readings`)
    }
  }

  #fill(tables: readonly HeldTable[], family: number): void {
    const byName = new Map(tables.map((table) => [tableName(table.family, table.name), table]))
    const each = <T>(
      type: number,
      attribute: number,
      from: (message: Message) => T | undefined,
      add: (table: HeldTable, found: T) => void,
    ): void => {
      for (const message of this.#requests.dump(type, family)) {
        const table = byName.get(tableName(familyOf(message) ?? ('' as AnyFamily), message.attributes.text(attribute) ?? ''))
        const found = table === undefined ? undefined : from(message)
        if (table !== undefined && found !== undefined) add(table, found)
      }
    }
    each(numbers.msg.getChain, numbers.chain.table, chainFrom, (table, chain) => table.chains.push(chain))
    each(numbers.msg.getRule, numbers.rule.table, ruleFrom, (table, { chain, rule }) => {
      table.chains.find(({ name }) => name === chain)?.rules.push(rule)
    })
    each(numbers.msg.getSet, numbers.set.table, setFrom, (table, set) => table.sets.push(set))
    each(numbers.msg.getObj, numbers.object.table, counterFrom, (table, counter) => table.counters.push(counter))
    for (const table of tables) for (const set of table.sets) set.elements = this.#elements(table, set)
  }

  #elements(table: HeldTable, set: HeldSet): HeldElement[] {
    const raw: RawElement[] = []
    const messages = this.#requests.dump(numbers.msg.getSetElem, numbers.families[table.family], (to) => {
      to.text(numbers.elemList.table, table.name)
      to.text(numbers.elemList.set, set.name)
    })
    for (const message of messages) for (const element of elementsFrom(message)?.elements ?? []) raw.push(element)
    // Ranges of several parts have their ends with them; of one, the ends are elements of their own.
    return set.interval && !set.concatenated ? joinRanges(raw) : raw.map(({ element }) => element)
  }
}
