import type { Exec } from '../host/exec.ts'
import type { Log } from '../host/log.ts'
import { hasIpv6 } from '../netfilter/local-addresses.ts'
import type { OpenNftables } from '../netfilter/nftables/open-nftables.ts'
import { removeTable } from '../netfilter/nftables/transaction.ts'
import { openIptablesRules } from './iptables/iptables-rules.ts'
import { removeIptablesRules } from './iptables/remove-iptables-rules.ts'
import { eachIptables, guardsOnHost, isMissingProgram } from './localnet-guards.ts'
import { NftablesRules } from './nftables/nftables-rules.ts'
import { tableName } from './nftables/set-names.ts'
import { closeLocalnet, localnetBefore } from './route-localnet.ts'
import type { RuleSettings, ServiceRules } from './service-rules.ts'

/** How the rules of Services are programmed. */
export type ProxyMode = 'nftables' | 'iptables'

export interface BackEndDeps {
  /** Runs iptables and sh: in the network namespace of the node. */
  readonly exec: Exec
  readonly openNftables: OpenNftables
  readonly log: Log
  /** Which of the two kinds of iptables; without it the machine's default. */
  readonly variant?: 'nft' | 'legacy' | undefined
}

/** Reads what is there, and changes no rules yet. Throws if the kernel can't be asked. */
export async function openServiceRules(
  mode: ProxyMode,
  settings: RuleSettings,
  deps: BackEndDeps & { onChangedByOthers(): void },
): Promise<ServiceRules> {
  const { exec, openNftables, variant, log } = deps
  const findGuards = guardsOnHost(deps)
  if (mode === 'iptables') return await openIptablesRules({ ...settings, exec, log, findGuards, ...(variant ? { variant } : {}) })
  // IPv6 has no such setting: ::1 is never routed.
  const localhost = settings.family === 'IPv4' && settings.localhostNodePorts
  const kernel = openNftables()
  if (!kernel) throw new Error('nftables cannot be programmed on this machine: run the proxy with --proxy-mode iptables')
  if (!kernel.readsBack && settings.family === 'IPv6') {
    // nft 1.0 puts what is remembered into the register where the client's address ends.
    log.warn('session affinity is not kept in IPv6: the program nft, in place of system calls, cannot write its rules')
  }
  try {
    // Open and then wanted shut: shut before the guard goes.
    if (settings.family === 'IPv4' && !localhost) await closeLocalnet(exec, settings.tag, findGuards)
    const routeLocalnetWas = localhost ? await localnetBefore(exec, settings.tag, findGuards) : undefined
    return new NftablesRules({ ...settings, ...deps, kernel, routeLocalnetWas })
  } catch (error) {
    kernel.close()
    throw error
  }
}

/** What a former run in the other mode left: to be called once our own rules are in place, so that no connection finds none. */
export async function removeOtherMode(mode: ProxyMode, tag: string, deps: BackEndDeps): Promise<void> {
  if (mode === 'iptables') await removeNftablesRules(tag, deps)
  else await removeIptables(tag, deps)
}

/**
 * Takes away all rules of the cluster with this tag, whichever mode wrote them, and nothing else; needs no running
 * proxy. Established connections go on, for the kernel remembers their translation. Throws if the kernel refuses.
 */
export async function removeProxyRules(options: { chainTag: string } & Omit<BackEndDeps, 'log'>): Promise<void> {
  const { chainTag, exec } = options
  await closeLocalnet(exec, chainTag, guardsOnHost(options))
  await removeNftablesRules(chainTag, options)
  await removeIptables(chainTag, options)
}

async function removeIptables(tag: string, { exec, variant }: Pick<BackEndDeps, 'exec' | 'variant'>): Promise<void> {
  await eachIptables(variant, (one) => removeIptablesRules({ ...one, exec, chainTag: tag }))
}

async function removeNftablesRules(tag: string, { exec, openNftables }: Pick<BackEndDeps, 'exec' | 'openNftables'>): Promise<void> {
  const kernel = openNftables()
  try {
    await kernel?.apply(removeTable('ip', tableName(tag)))
    if (kernel && (await hasIpv6(exec))) await kernel.apply(removeTable('ip6', tableName(tag)))
  } catch (error) {
    if (!isMissingProgram(error)) throw error
  } finally {
    kernel?.close()
  }
}
