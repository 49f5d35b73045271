import type { Exec } from '../../host/exec.ts'
import { contains } from '../../netfilter/address-range.ts'
import { iptables } from '../../netfilter/iptables.ts'
import { localAddresses } from '../../netfilter/local-addresses.ts'
import type { OpenNftables } from '../../netfilter/nftables/open-nftables.ts'
import type { HeldTable } from '../../netfilter/nftables/ruleset.ts'
import { traceNftables } from '../../netfilter/nftables/trace.ts'
import { parseRule, UnknownRuleError } from '../../netfilter/parse.ts'
import type { Rule } from '../../netfilter/rules.ts'
import { type Packet, type PathStep, trace } from '../../netfilter/trace.ts'
import { tableName } from '../nftables/set-names.ts'

/** One way that a packet may go through the kernel, with its exact share of all. */
export interface Way {
  readonly probability: number
  readonly verdict: 'arrives' | 'rejected' | 'dropped'
  /** `address:port` after translation. */
  readonly to: string
  readonly masqueraded: boolean
  /** `tcp reset`, or the code of an ICMP message. */
  readonly rejectedWith?: string | undefined
  /** Rules that decided, in the order in which the packet met them: `nat-prerouting`, what the rule is for, what it did. */
  readonly steps: readonly WayStep[]
  /** Rules that took part and could not be understood: the truth may differ. */
  readonly notUnderstood: readonly string[]
  /** Rules asked which endpoint the client is pinned to, and nobody could tell: the shares are those of a new client. */
  readonly pinUnknown?: boolean
}

export interface WayStep {
  readonly chain: string
  readonly comment?: string | undefined
  /** What it asked of the packet, where no comment says what it is for. */
  readonly matched?: string | undefined
  readonly did: readonly string[]
}

interface Deps {
  readonly exec: Exec
  readonly openNftables: OpenNftables
  /** The cluster's, by which its rules are known. */
  readonly tag: string
  readonly variant?: 'nft' | 'legacy' | undefined
}

export type IsLocal = (address: string) => boolean

/** Whether an address is the host's own, as it is now. */
export async function localIn(exec: Exec, family: 'IPv4' | 'IPv6'): Promise<IsLocal> {
  const addresses = new Set(await localAddresses(exec, family, []))
  return (address) => addresses.has(address) || (family === 'IPv4' && contains('127.0.0.0/8', address))
}

/**
 * Walks the packet through what is really in the kernel: everybody's rules, read now. Services may be there by nftables (ours or
 * kube-proxy's) or by iptables. Throws if the rules can't be read.
 */
export async function waysThrough(packet: Packet, isLocal: IsLocal, deps: Deps): Promise<Way[]> {
  const six = packet.destination.includes(':')
  const tables = await tablesIn(deps)
  const servicesIn = [tableName(deps.tag), 'kube-proxy']
  const byNftables = tables.some(({ family, name }) => family === (six ? 'ip6' : 'ip') && servicesIn.includes(name))
  return gathered(byNftables ? throughNftables(packet, isLocal, tables) : await throughIptables(packet, isLocal, deps))
}

async function tablesIn({ openNftables }: Deps): Promise<HeldTable[]> {
  const kernel = openNftables()
  if (!kernel?.readsBack) return []
  try {
    return await kernel.readAll()
  } finally {
    kernel.close()
  }
}

function throughNftables(packet: Packet, isLocal: IsLocal, tables: readonly HeldTable[]): Way[] {
  return traceNftables({ tables, isLocal }, packet).map(({ path, updates: _, source: __, ...outcome }) => ({
    ...outcome,
    steps: path.map(({ chain, comment, did }) => ({ chain, comment, did })),
  }))
}

async function throughIptables(packet: Packet, isLocal: IsLocal, { exec, variant }: Deps): Promise<Way[]> {
  const family = packet.destination.includes(':') ? 'IPv6' : 'IPv4'
  const saved = await iptables({ exec, family, ...(variant ? { variant } : {}) }).read()
  const unknown: string[] = []
  const read = (text: string): Rule[] => {
    try {
      return [parseRule(text)]
    } catch (error) {
      if (!(error instanceof UnknownRuleError)) throw error
      unknown.push(text)
      return []
    }
  }
  const rules = (table: 'nat' | 'filter', chain: string): readonly Rule[] => (saved[table].get(chain) ?? []).flatMap(read)
  let pinUnknown = false
  // When a client was seen, xt_recent tells in jiffies that nobody can compare with a clock.
  const seenRecently = (): boolean => {
    pinUnknown = true
    return false
  }
  const outcomes = trace({ rules, isLocal, seenRecently }, packet)
  const notUnderstood = [...new Set(unknown)]
  return outcomes.map(({ notes: _, path, ...outcome }) => ({ ...outcome, steps: path.map(wayStep), notUnderstood, pinUnknown }))
}

/** Both tables have chains of the same names. */
function wayStep({ table, chain, comment, matched, did }: PathStep): WayStep {
  return { chain: `${table} ${chain}`, ...(comment === undefined ? { matched } : { comment }), did: [did] }
}

/** Ways that end alike are one. */
function gathered(ways: readonly Way[]): Way[] {
  const found = new Map<string, Way>()
  for (const way of ways) {
    const key = JSON.stringify([way.verdict, way.to, way.masqueraded, way.rejectedWith])
    const known = found.get(key)
    found.set(key, known ? { ...known, probability: known.probability + way.probability } : way)
  }
  return [...found.values()].sort((a, b) => b.probability - a.probability || (a.to < b.to ? -1 : 1))
}
