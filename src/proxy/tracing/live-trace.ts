import type { Expression } from '../../netfilter/nftables/expressions.ts'
import type { LivePacket, LiveStep } from '../../netfilter/nftables/live-trace.ts'
import type { HeldRule, HeldTable, Rule, Table } from '../../netfilter/nftables/ruleset.ts'
import type { Statement } from '../../netfilter/nftables/statements.ts'
import { hostAndPort, type TransportProtocol } from '../../netfilter/rules.ts'

/** Packets to be followed: those of a client to a place, as both are before any translation. */
export interface Followed {
  /** Undefined: of anybody. */
  readonly source: string | undefined
  readonly destination: string
  readonly port: number
  readonly protocol: TransportProtocol
}

/** Before all other rules, connection tracking's among them. */
const first = -400

/**
 * A table of its own that marks the packets for the kernel's tracing. Of TCP only the first packet of a connection is marked, for
 * that one decides where the connection goes.
 */
export function tracingTable(name: string, { source, destination, port, protocol }: Followed): Table {
  const six = destination.includes(':')
  const statements: Statement[] = [
    ...(source === undefined ? [] : [{ kind: 'match', key: six ? 'ip6 saddr' : 'ip saddr', value: source } as const]),
    { kind: 'match', key: six ? 'ip6 daddr' : 'ip daddr', value: destination },
    { kind: 'match', key: 'meta l4proto', value: protocol },
    { kind: 'match', key: 'th dport', value: port },
    ...(protocol === 'tcp'
      ? ([
          { kind: 'match', key: 'tcp flags', value: 'syn' },
          { kind: 'match', key: 'tcp flags', op: '!=', value: 'ack' },
        ] as const)
      : []),
    { kind: 'set', field: 'meta nftrace', to: 1 },
  ]
  const rules: Rule[] = [{ statements }]
  const chain = (hook: 'prerouting' | 'output') => ({ name: hook, hook: { type: 'filter', hook, priority: first } as const, rules })
  return { family: six ? 'ip6' : 'ip', name, sets: [], chains: [chain('prerouting'), chain('output')] }
}

interface Seen {
  readonly number: number
  /** Where it was going when it was last seen: another place than before means that it was translated. */
  to: string | undefined
  source: string | undefined
  masqueraded: boolean
  /** nat chains that it has yet to leave before its source address is settled. */
  readonly sourceChains: Set<string>
}

/**
 * Makes lines for people of the steps of real packets: one for each packet, one for each rule that decided something, and what came of it:
 * the endpoint that was chosen, and whose address the endpoint sees.
 */
export class TraceLines {
  readonly #own: string
  readonly #rules = new Map<string, HeldRule>()
  /** Chains of each family that may translate the source, by table and name. */
  readonly #sourceChains = new Map<string, string[]>()
  readonly #packets = new Map<number, Seen>()
  readonly #podAt: (address: string) => string | undefined

  /** `podAt`: the name of the pod that has an address. */
  constructor(ownTable: string, tables: readonly HeldTable[], podAt: (address: string) => string | undefined) {
    this.#own = ownTable
    this.#podAt = podAt
    for (const { family, name, chains, dormant } of tables) {
      for (const rule of chains.flatMap(({ rules }) => rules)) this.#rules.set(`${family} ${name} ${rule.handle}`, rule)
      for (const { name: chain, hook } of dormant ? [] : chains) {
        if (hook?.type !== 'nat' || hook.hook !== 'postrouting') continue
        for (const each of family === 'inet' ? ['ip', 'ip6'] : [family])
          this.#sourceChains.set(each, [...(this.#sourceChains.get(each) ?? []), `${family} ${name} ${chain}`])
      }
    }
  }

  /** Packets so far. */
  get seen(): number {
    return this.#packets.size
  }

  /** What to print for a step, if anything. */
  take(step: LiveStep): string[] {
    const known = this.#packets.get(step.id)
    const packet = known ?? this.#begin(step)
    const lines = known === undefined && step.packet ? [packetText(step.packet)] : []
    const told = step.table === this.#own ? [] : [this.#translation(packet, step), this.#stepText(step), this.#sourceText(packet, step)]
    for (const text of told) if (text !== undefined) lines.push(`  ${text}`)
    return lines.map((line) => `#${packet.number} ${line}`)
  }

  #begin({ id, packet, family }: LiveStep): Seen {
    const six = packet === undefined ? family === 'ip6' : packet.source.includes(':')
    const sourceChains = new Set(this.#sourceChains.get(six ? 'ip6' : 'ip'))
    const seen = { number: this.#packets.size + 1, to: placeOf(packet), source: packet?.source, masqueraded: false, sourceChains }
    this.#packets.set(id, seen)
    return seen
  }

  /** The first step after a translation shows it: `to endpoint 10.244.0.5:8080 (pod default/web-1)`. */
  #translation(seen: Seen, { packet }: LiveStep): string | undefined {
    const to = placeOf(packet)
    if (packet === undefined || to === undefined || to === seen.to) return undefined
    seen.to = to
    const pod = this.#podAt(packet.destination)
    return `to endpoint ${to}${pod === undefined ? '' : ` (pod ${pod})`}`
  }

  #stepText({ family, table, chain, what, handle, verdict }: LiveStep): string | undefined {
    if (verdict === undefined || verdict === 'continue' || what === 'return' || (what === 'policy' && verdict === 'accept'))
      return undefined
    const rule = this.#rules.get(`${family} ${table} ${handle}`)
    const to =
      typeof verdict === 'string' ? (translationBy(rule) ?? verdict) : 'jump' in verdict ? `→ ${verdict.jump}` : `→ ${verdict.goto}`
    const by = what === 'policy' ? 'by its policy' : rule?.comment === undefined ? `by rule ${handle}` : `"${rule.comment}"`
    return `${table} ${chain}: ${to} ${by}`
  }

  /** Whose address the endpoint sees; the source is kept where no nat chain had anything to say. */
  #sourceText(seen: Seen, { family, table, chain, what, handle, verdict }: LiveStep): string | undefined {
    if (what === 'rule' && verdict === 'accept' && translationBy(this.#rules.get(`${family} ${table} ${handle}`)) === 'masquerade') {
      seen.masqueraded = true
      return 'masqueraded: the endpoint sees this node'
    }
    if (what !== 'policy' || verdict !== 'accept' || !seen.sourceChains.delete(`${family} ${table} ${chain}`)) return undefined
    if (seen.masqueraded || seen.sourceChains.size > 0 || seen.source === undefined) return undefined
    return `source kept: the endpoint sees ${seen.source}`
  }
}

/** To the kernel's tracing a translation is an accept. */
function translationBy(rule: HeldRule | undefined): string | undefined {
  return rule?.expressions.map(translationOf).find((text) => text !== undefined)
}

function translationOf(expression: Expression): string | undefined {
  if (expression.name === 'nat') return expression.type
  if (expression.name === 'masq') return 'masquerade'
  // iptables-nft writes its own targets.
  return expression.name === 'unknown' ? /^iptables target (DNAT|MASQUERADE)$/.exec(expression.what)?.[1]?.toLowerCase() : undefined
}

function placeOf(packet: LivePacket | undefined): string | undefined {
  return packet?.port === undefined ? packet?.destination : hostAndPort(packet.destination, packet.port)
}

function packetText({ source, sourcePort, destination, port, protocol }: LivePacket): string {
  const place = (address: string, number: number | undefined): string => `${address}${number === undefined ? '' : ` port ${number}`}`
  return `${protocol} from ${place(source, sourcePort)} to ${place(destination, port)}`
}
