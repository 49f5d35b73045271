import type { Log } from '../../host/log.ts'
import { difference, ownRules, repeatedHooks, type Transaction } from '../../netfilter/difference.ts'
import type { Iptables } from '../../netfilter/iptables.ts'
import type { SavedRules } from '../../netfilter/parse.ts'
import { emptyRuleSet, type RuleSet } from '../../netfilter/rules.ts'
import type { ChainNames } from './chain-names.ts'

/**
 * Keeps the kernel's rules equal to the wanted ones. Remembers what it applied last, so that a change costs only its
 * difference; reads the kernel's state where that can't be relied on: at first, after a refusal, and to notice drift.
 */
export class RuleSync {
  readonly #iptables: Iptables
  readonly #chains: ChainNames
  readonly #log: Log
  /** What the kernel holds as far as we know; undefined: must be read. */
  #known: RuleSet | undefined

  constructor(deps: { iptables: Iptables; chains: ChainNames; log: Log }) {
    this.#iptables = deps.iptables
    this.#chains = deps.chains
    this.#log = deps.log
  }

  /** Throws ExecError if iptables refuses; the next call then begins by reading what is there. */
  async apply(wanted: RuleSet): Promise<Transaction | undefined> {
    this.#known ??= await this.#readOwn(wanted)
    const transaction = difference(this.#known, wanted)
    if (transaction) {
      this.#known = undefined // a refusal may have left one table new and one old
      await this.#iptables.apply(transaction)
    }
    this.#known = wanted
    return transaction
  }

  /** Puts back what someone else took away or changed. True if there was something. */
  async repair(wanted: RuleSet): Promise<boolean> {
    this.#known = await this.#readOwn(wanted)
    const transaction = await this.apply(wanted)
    if (transaction) {
      const { chainsWritten, rulesWritten } = transaction
      this.#log.warn('someone else changed the Service rules; put back', { chains: chainsWritten, rules: rulesWritten })
    }
    return transaction !== undefined
  }

  read(): Promise<SavedRules> {
    return this.#iptables.read()
  }

  async #readOwn(wanted: RuleSet): Promise<RuleSet> {
    const isOurs = (_table: string, chain: string): boolean => this.#chains.owns(chain)
    const found = ownRules(await this.#iptables.read(), isOurs, wanted)
    const repeats = repeatedHooks(found)
    if (repeats.length === 0) return found
    await this.#iptables.removeHooks(repeats)
    return ownRules(await this.#iptables.read(), isOurs, wanted)
  }
}

/** For tests and counts: chains and rules a table. */
export function countRules(set: RuleSet = emptyRuleSet): { nat: number; filter: number } {
  const count = (table: 'nat' | 'filter'): number => {
    let sum = set.hooks.filter((hook) => hook.table === table).length
    for (const rules of set.tables[table].values()) sum += rules.length
    return sum
  }
  return { nat: count('nat'), filter: count('filter') }
}
