import type { Exec } from '../../host/exec.ts'
import type { Log } from '../../host/log.ts'
import { iptables } from '../../netfilter/iptables.ts'
import type { RuleSet } from '../../netfilter/rules.ts'
import { closeLocalnet, type FindGuards, localnetBefore, openLocalnet } from '../route-localnet.ts'
import type { Applied, PortWithChoice, RuleSettings, ServiceRules } from '../service-rules.ts'
import { chainNames } from './chain-names.ts'
import { type DesiredContext, desiredRules } from './desired-rules.ts'
import { type PortRules, portRules } from './port-rules.ts'
import { countRules, RuleSync } from './rule-sync.ts'

export interface IptablesRulesOptions extends RuleSettings {
  exec: Exec
  log: Log
  findGuards: FindGuards
  /** Which of the two kinds of iptables; without it whichever the machine has made its default. */
  variant?: 'nft' | 'legacy'
}

/** Reads what is there, and changes nothing yet. Throws ExecError if iptables can't be asked. */
export async function openIptablesRules(options: IptablesRulesOptions): Promise<ServiceRules> {
  const { exec, log, family, findGuards } = options
  const chains = chainNames(options.tag)
  const sync = new RuleSync({ iptables: iptables(options), chains, log })
  // IPv6 has no such setting: ::1 is never routed.
  const localhost = family === 'IPv4' && options.localhostNodePorts
  // Open and then wanted shut: shut before the guard goes.
  if (family === 'IPv4' && !localhost) await closeLocalnet(exec, options.tag, findGuards)
  const routeLocalnetWas = localhost ? await localnetBefore(exec, options.tag, findGuards) : undefined
  const desired = new DesiredRules({ ...options, chains, routeLocalnetWas })
  let localnetIsOpen = !localhost
  return {
    family,
    isTold: false,
    update: (key, ports) => desired.update(key, ports),
    async apply(): Promise<Applied | undefined> {
      const transaction = await sync.apply(desired.rules())
      // Not before its guard is in the kernel.
      if (!localnetIsOpen) await openLocalnet(exec)
      localnetIsOpen = true
      return transaction && { written: transaction.rulesWritten, removed: transaction.chainsRemoved }
    },
    async repair() {
      const repaired = await sync.repair(desired.rules())
      // Whoever took the guard away may have shut it, as a clean-up does.
      if (repaired && localhost) await openLocalnet(exec)
      return repaired
    },
    counts: () => new Map(Object.entries(countRules(desired.rules()))),
    close: () => undefined,
  }
}

/**
 * Every Service's part of the rules, worked out once a change. Rule sets made from it share the parts that stayed,
 * so that their difference is found without looking into them. KUBE-SERVICES is one list of all Services, so putting
 * the parts together is work for each of them: that is the layout's price.
 */
export class DesiredRules {
  readonly #context: DesiredContext
  readonly #parts = new Map<string, readonly PortRules[]>()
  #sortedKeys: string[] | undefined = []
  #rules: RuleSet | undefined

  constructor(context: DesiredContext) {
    this.#context = context
  }

  update(key: string, ports: readonly PortWithChoice[]): void {
    const isKnown = this.#parts.has(key)
    this.#rules = undefined
    if (isKnown !== ports.length > 0) this.#sortedKeys = undefined
    if (ports.length === 0) this.#parts.delete(key)
    else
      this.#parts.set(
        key,
        ports.map(({ port, choice }) => portRules(port, choice, this.#context)),
      )
  }

  /** In an order that depends on the names alone, not on who came first. */
  rules(): RuleSet {
    this.#sortedKeys ??= [...this.#parts.keys()].sort()
    this.#rules ??= desiredRules(this.#allRules(this.#sortedKeys), this.#context)
    return this.#rules
  }

  *#allRules(keys: readonly string[]): Iterable<PortRules> {
    for (const key of keys) yield* this.#parts.get(key) as readonly PortRules[]
  }
}
