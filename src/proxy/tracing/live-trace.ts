import type { LivePacket, LiveStep } from '../../netfilter/nftables/live-trace.ts'
import type { HeldTable, Rule, Table } from '../../netfilter/nftables/ruleset.ts'
import type { Statement } from '../../netfilter/nftables/statements.ts'
import type { TransportProtocol } from '../../netfilter/rules.ts'

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

/** Makes lines for people of the steps of real packets: one for each packet, then one for each rule that decided something. */
export class TraceLines {
  readonly #own: string
  readonly #comments = new Map<string, string>()
  readonly #packets = new Map<number, number>()

  constructor(ownTable: string, tables: readonly HeldTable[]) {
    this.#own = ownTable
    for (const { family, name, chains } of tables) {
      for (const rule of chains.flatMap(({ rules }) => rules)) {
        if (rule.comment !== undefined) this.#comments.set(`${family} ${name} ${rule.handle}`, rule.comment)
      }
    }
  }

  /** Packets so far. */
  get seen(): number {
    return this.#packets.size
  }

  /** What to print for a step, if anything. */
  take(step: LiveStep): string[] {
    const isNew = !this.#packets.has(step.id)
    if (isNew) this.#packets.set(step.id, this.#packets.size + 1)
    const number = `#${this.#packets.get(step.id)}`
    const lines = isNew && step.packet ? [`${number} ${packetText(step.packet)}`] : []
    const text = step.table === this.#own ? undefined : this.#stepText(step)
    return text === undefined ? lines : [...lines, `${number}   ${text}`]
  }

  #stepText({ family, table, chain, what, handle, verdict }: LiveStep): string | undefined {
    if (verdict === undefined || verdict === 'continue' || what === 'return' || (what === 'policy' && verdict === 'accept'))
      return undefined
    const to = typeof verdict === 'string' ? verdict : 'jump' in verdict ? `→ ${verdict.jump}` : `→ ${verdict.goto}`
    const comment = this.#comments.get(`${family} ${table} ${handle}`)
    const by = what === 'policy' ? 'by its policy' : comment === undefined ? `by rule ${handle}` : `"${comment}"`
    return `${table} ${chain}: ${to} ${by}`
  }
}

function packetText({ source, sourcePort, destination, port, protocol }: LivePacket): string {
  const place = (address: string, number: number | undefined): string => `${address}${number === undefined ? '' : ` port ${number}`}`
  return `${protocol} from ${place(source, sourcePort)} to ${place(destination, port)}`
}
