import type { Exec } from '../../host/exec.ts'
import { difference, ownRules, repeatedHooks } from '../../netfilter/difference.ts'
import { iptables } from '../../netfilter/iptables.ts'
import { hasIpv6 } from '../../netfilter/local-addresses.ts'
import { emptyRuleSet } from '../../netfilter/rules.ts'
import type { AddressFamily } from '../service-port.ts'
import { chainNames } from './chain-names.ts'

interface RemoveOptions {
  exec: Exec
  chainTag: string
  variant?: 'nft' | 'legacy'
}

/**
 * Takes away every chain and hook of the cluster with this tag, of both families, and nothing else; needs no running
 * proxy. Established connections go on, for the kernel remembers their translation. Throws ExecError if iptables refuses.
 */
export async function removeIptablesRules(options: RemoveOptions): Promise<void> {
  await removeFamily('IPv4', options)
  if (await hasIpv6(options.exec)) await removeFamily('IPv6', options)
}

async function removeFamily(family: AddressFamily, options: RemoveOptions): Promise<void> {
  const chains = chainNames(options.chainTag)
  const tables = iptables({ ...options, family })
  const saved = await tables.read()
  const found = ownRules(saved, (_table, chain) => chains.owns(chain), emptyRuleSet)
  await tables.removeHooks(repeatedHooks(found))
  const once = { ...found, hooks: withoutRepeats(found.hooks, repeatedHooks(found)) }
  const transaction = difference(once, emptyRuleSet)
  if (transaction) await tables.apply(transaction)
}

function withoutRepeats<T>(all: readonly T[], repeats: readonly T[]): T[] {
  const left = [...repeats]
  return all
    .toReversed()
    .filter((item) => {
      const at = left.indexOf(item)
      if (at >= 0) left.splice(at, 1)
      return at < 0
    })
    .toReversed()
}
