import type { Exec, ExecOptions, ExecResult } from '../host/exec.ts'
import { ExecError } from '../host/exec.ts'
import { contains } from './address-range.ts'
import { parseRule } from './parse.ts'
import { type Rule, ruleText, type TableName, tableNames } from './rules.ts'
import { type Outcome, type Packet, trace } from './trace.ts'

const builtinChains: Record<TableName, readonly string[]> = {
  mangle: ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'],
  nat: ['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING'],
  filter: ['INPUT', 'FORWARD', 'OUTPUT'],
}
const builtinTargets = ['ACCEPT', 'DROP', 'RETURN', 'REJECT', 'MASQUERADE', 'DNAT', 'MARK']

type Family = 'IPv4' | 'IPv6'

/** A UDP flow that connection tracking remembers. */
export interface FakeFlow {
  source: string
  destination: string
  port: number
  /** Whoever answers: the endpoint that was chosen, or the destination itself if nothing was translated. */
  replySource: string
  replyPort: number
}

/**
 * A kernel's netfilter behind the {@link Exec} seam: iptables-restore with its atomicity and its refusals,
 * iptables-save, conntrack, sysctl files; and a tracer of packets in place of packets.
 */
export class FakeKernel implements Exec {
  #tables = { IPv4: emptyTables(), IPv6: emptyTables() }
  readonly #addresses: readonly string[]
  readonly #now: () => number
  /** When a source was last noted on a recent list, by `list source`. */
  readonly #recent = new Map<string, number>()
  readonly sysctls = new Map<string, string>([
    ['net/ipv4/conf/all/route_localnet', '0'],
    ['net/netfilter/nf_conntrack_tcp_be_liberal', '0'],
  ])
  flows: FakeFlow[] = []
  /** Every restore that was accepted. */
  readonly transactions: string[] = []
  /** The next restores fail like this, one entry each. */
  failures: string[] = []

  constructor(options: { addresses: readonly string[]; now?: () => number }) {
    this.#addresses = options.addresses
    this.#now = options.now ?? (() => 0)
  }

  /** Any rule of the kernel's, by table and chain; none for a chain that is not there. */
  rules(table: TableName, chain: string, family: Family = 'IPv4'): readonly Rule[] {
    return this.#tables[family][table].get(chain) ?? []
  }

  /** Names of the chains that someone made. */
  chains(table: TableName, family: Family = 'IPv4'): string[] {
    return [...this.#tables[family][table].keys()].filter((name) => !builtinChains[table].includes(name))
  }

  trace(packet: Packet): Outcome[] {
    return trace(this.#host(familyOf(packet.destination)), packet)
  }

  /** Opens a connection for which chance falls on `at` (0 up to 1), with all that it leaves in the kernel. */
  connect(packet: Packet, at: number): Outcome {
    const outcomes = this.trace(packet)
    let sum = 0
    const reached = outcomes.find((each) => {
      sum += each.probability
      return sum > at
    })
    const outcome = reached ?? (outcomes.at(-1) as Outcome)
    for (const list of outcome.notes) this.#recent.set(`${list} ${packet.source}`, this.#now())
    return outcome
  }

  /** `iptables -F` and `-X` in every table, by somebody else. */
  flush(): void {
    this.#tables = { IPv4: emptyTables(), IPv6: emptyTables() }
  }

  /** Empties chains but leaves them there: `iptables -t T -F [CHAIN]`. */
  empty(table: TableName, chain?: string): void {
    const chains = this.#tables.IPv4[table]
    for (const [name] of chains) if (chain === undefined || chain === name) chains.set(name, [])
  }

  #host(family: Family): Parameters<typeof trace>[0] {
    return {
      rules: (table, chain) => this.rules(table, chain, family),
      isLocal: (address) => contains('127.0.0.0/8', address) || address === '::1' || this.#addresses.includes(address),
      seenRecently: (list, source, seconds) => {
        const at = this.#recent.get(`${list} ${source}`)
        return at !== undefined && this.#now() - at <= seconds * 1000
      },
    }
  }

  async run(program: string, args: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
    const [, six, verb] = /^ip(6?)tables(?:-\w+)?-(restore|save)$/.exec(program) ?? []
    const family = six === '6' ? 'IPv6' : 'IPv4'
    if (verb === 'restore') return this.#restore(family, String(options.input ?? ''))
    if (verb === 'save') return { code: 0, stdout: this.save(family), stderr: '' }
    if (program === 'ip') return this.#addressesJson(args.includes('-6') ? 'IPv6' : 'IPv4')
    if (program === 'conntrack') return this.#conntrack(args)
    if (program === 'sh') return this.#sysctl(args[1] ?? '')
    throw new ExecError(`${program}: not found; is it installed?`)
  }

  /** As iptables-save prints it. */
  save(family: Family = 'IPv4'): string {
    const lines: string[] = []
    for (const table of tableNames) {
      const chains = this.#tables[family][table]
      lines.push(`*${table}`)
      for (const name of chains.keys()) lines.push(`:${name} ${builtinChains[table].includes(name) ? 'ACCEPT' : '-'} [0:0]`)
      for (const [name, rules] of chains) for (const rule of rules) lines.push(`-A ${name} ${ruleText(rule)}`)
      lines.push('COMMIT')
    }
    return `${lines.join('\n')}\n`
  }

  #restore(family: Family, input: string): ExecResult {
    const tables = this.#tables[family]
    const refusal = this.failures.shift()
    if (refusal !== undefined) return { code: 1, stdout: '', stderr: refusal }
    let number = 0
    try {
      let table: TableName | undefined
      let draft = new Map<string, Rule[]>()
      for (const line of input.split('\n')) {
        number++
        if (line === '') continue
        if (line.startsWith('*')) {
          table = line.slice(1) as TableName
          draft = new Map([...tables[table]].map(([name, rules]) => [name, [...rules]]))
        } else if (!table) throw new Error('no table')
        else if (line === 'COMMIT') {
          checkJumps(draft)
          tables[table] = draft
        } else change(draft, table, line)
      }
    } catch (error) {
      return { code: 1, stdout: '', stderr: `iptables-restore: line ${number} failed: ${(error as Error).message}` }
    }
    this.transactions.push(input)
    return { code: 0, stdout: '', stderr: '' }
  }

  #addressesJson(family: Family): ExecResult {
    const all = ['127.0.0.1', '::1', ...this.#addresses].filter((address) => familyOf(address) === family)
    return { code: 0, stdout: JSON.stringify([{ ifname: 'x', addr_info: all.map((local) => ({ local })) }]), stderr: '' }
  }

  #conntrack(args: readonly string[]): ExecResult {
    const option = (name: string): string | undefined => (args.includes(name) ? args[args.indexOf(name) + 1] : undefined)
    const family = option('-f') === 'ipv6' ? 'IPv6' : 'IPv4'
    const selected = this.flows.filter(
      (flow) =>
        familyOf(flow.destination) === family &&
        [undefined, flow.destination].includes(option('--orig-dst')) &&
        [undefined, String(flow.port)].includes(option('--orig-port-dst')) &&
        [undefined, flow.replySource].includes(option('--reply-src')) &&
        [undefined, String(flow.replyPort)].includes(option('--reply-port-src')),
    )
    if (args[0] === '-L') {
      const lines = selected.map(
        (f) =>
          `udp      17 29 src=${f.source} dst=${f.destination} sport=40000 dport=${f.port} src=${f.replySource} dst=${f.source} sport=${f.replyPort} dport=40000 mark=0 use=1`,
      )
      return { code: 0, stdout: `${lines.join('\n')}\n`, stderr: '' }
    }
    this.flows = this.flows.filter((flow) => !selected.includes(flow))
    // conntrack answers 1 when nothing matched
    return { code: selected.length > 0 ? 0 : 1, stdout: '', stderr: `${selected.length} flow entries have been deleted.` }
  }

  #sysctl(script: string): ExecResult {
    const read = /^cat \/proc\/sys\/(\S+)$/.exec(script)
    if (read) return { code: 0, stdout: `${this.sysctls.get(read[1] as string)}\n`, stderr: '' }
    if (script.startsWith('test -e ')) return { code: 0, stdout: '', stderr: '' }
    const write = /^echo (\S+) > \/proc\/sys\/(\S+)$/.exec(script)
    if (!write) throw new ExecError(`sh: the fake does not know: ${script}`)
    this.sysctls.set(write[2] as string, write[1] as string)
    return { code: 0, stdout: '', stderr: '' }
  }
}

const familyOf = (address: string): Family => (address.includes(':') ? 'IPv6' : 'IPv4')

function emptyTables(): Record<TableName, Map<string, Rule[]>> {
  const fresh = (table: TableName): Map<string, Rule[]> => new Map(builtinChains[table].map((name) => [name, []]))
  return { mangle: fresh('mangle'), nat: fresh('nat'), filter: fresh('filter') }
}

function change(chains: Map<string, Rule[]>, table: TableName, line: string): void {
  if (line.startsWith(':')) {
    const name = line.slice(1, line.indexOf(' '))
    if (name.length > 28) throw new Error(`chain name too long: ${name}`)
    chains.set(name, [])
    return
  }
  const [, verb, name, rest = ''] = /^-(\w) (\S+) ?(.*)$/.exec(line) ?? []
  const rules = chains.get(name as string)
  if (!rules) throw new Error(`no chain ${name}`)
  if (verb === 'A') rules.push(parseRule(rest))
  else if (verb === 'I') rules.unshift(parseRule(rest.replace(/^1 /, '')))
  else if (verb === 'D') {
    const wanted = ruleText(parseRule(rest))
    const at = rules.findIndex((rule) => ruleText(rule) === wanted)
    if (at < 0) throw new Error('no such rule')
    rules.splice(at, 1)
  } else if (verb === 'X') {
    if (builtinChains[table].includes(name as string) || rules.length > 0) throw new Error(`cannot delete ${name}`)
    if (refersTo(chains, name as string)) throw new Error(`${name} is still referred to`)
    chains.delete(name as string)
  } else throw new Error(`don't know ${line}`)
}

function refersTo(chains: Map<string, Rule[]>, name: string): boolean {
  return [...chains.values()].some((rules) => rules.some((rule) => rule.target.type === 'jump' && rule.target.chain === name))
}

function checkJumps(chains: Map<string, Rule[]>): void {
  for (const rules of chains.values()) {
    for (const { target } of rules) {
      if (target.type === 'jump' && !chains.has(target.chain) && !builtinTargets.includes(target.chain)) {
        throw new Error(`no chain ${target.chain}`)
      }
    }
  }
}
