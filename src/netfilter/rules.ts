/**
 * Rule sets as data: tables -> chains -> rules made of typed matches and one target. They print themselves as
 * iptables-restore text, the same for IPv4 and IPv6 but for the addresses in it: what is a family's default is left out.
 */

export const tableNames = ['mangle', 'nat', 'filter'] as const
export type TableName = (typeof tableNames)[number]
export type TransportProtocol = 'tcp' | 'udp' | 'sctp'

export type Match =
  | { readonly type: 'source'; readonly cidr: string; readonly not?: true }
  | { readonly type: 'destination'; readonly cidr: string; readonly not?: true }
  /** The destination port; without `port` only the protocol. */
  | { readonly type: 'protocol'; readonly protocol: TransportProtocol; readonly port?: number }
  /** The interface that the packet came in by; every one that begins like `name` where that ends in `+`. */
  | { readonly type: 'interface'; readonly name: string; readonly not?: true }
  /** The one that the packet leaves by, named likewise. */
  | { readonly type: 'outputInterface'; readonly name: string; readonly not?: true }
  | { readonly type: 'sourceIsLocal' }
  | { readonly type: 'destinationIsLocal' }
  /** Connection states, any of which matches. DNAT is a state too: the destination was translated. */
  | { readonly type: 'state'; readonly states: readonly ConnectionState[]; readonly not?: true }
  | { readonly type: 'mark'; readonly value: number; readonly not?: true }
  /** Matches one packet in `parts`, at random: probability 1/parts. */
  | { readonly type: 'oneIn'; readonly parts: number }
  /** The source address was seen on this list in the last `seconds`. */
  | { readonly type: 'seenRecently'; readonly list: string; readonly seconds: number }
  /** Always matches; notes the source address on the list. */
  | { readonly type: 'noteSource'; readonly list: string }
  | { readonly type: 'comment'; readonly text: string }

export type ConnectionState = 'NEW' | 'ESTABLISHED' | 'RELATED' | 'INVALID' | 'DNAT'

export type Target =
  | { readonly type: 'jump'; readonly chain: string }
  | { readonly type: 'accept' }
  | { readonly type: 'drop' }
  | { readonly type: 'return' }
  /** Port unreachable, in the ICMP of the family; or a TCP reset, which no rate limit holds back. */
  | { readonly type: 'reject'; readonly with?: 'tcp-reset' }
  /** Sets the bits of `value`, or turns them over. */
  | { readonly type: 'mark'; readonly value: number; readonly how: 'set' | 'toggle' }
  | { readonly type: 'dnat'; readonly address: string; readonly port: number }
  | { readonly type: 'masquerade' }

export interface Rule {
  readonly matches: readonly Match[]
  readonly target: Target
}

export type Chains = ReadonlyMap<string, readonly Rule[]>

/** A rule in a chain of the kernel's own (PREROUTING, INPUT, ...) that leads into ours. */
export interface Hook {
  readonly table: TableName
  readonly chain: string
  readonly rule: Rule
}

/**
 * All that is ours: whole chains, and rules hooked into the kernel's. A chain that is the same array in two rule sets
 * is taken as unchanged without being looked at, so build new sets out of old parts.
 */
export interface RuleSet {
  readonly tables: Readonly<Record<TableName, Chains>>
  /** In the order in which packets meet them. */
  readonly hooks: readonly Hook[]
}

export const emptyRuleSet: RuleSet = { tables: { mangle: new Map(), nat: new Map(), filter: new Map() }, hooks: [] }

const hex = (value: number): string => `0x${value.toString(16)}`
const negated = (not: true | undefined): string => (not ? '! ' : '')
const quoted = (text: string): string => (/^[\w.:/-]+$/.test(text) ? text : `"${text.replaceAll(/["\\]/g, '\\$&')}"`)

/** `10.0.0.1:80`, `[fd00::1]:80`. */
export function hostAndPort(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

/** An address as the range that holds only it. */
export function only(address: string): string {
  return `${address}/${address.includes(':') ? 128 : 32}`
}

/** `-s 10.0.0.1/32`, as iptables-restore reads it. */
export function matchText(match: Match): string {
  switch (match.type) {
    case 'source':
      return `${negated(match.not)}-s ${match.cidr}`
    case 'destination':
      return `${negated(match.not)}-d ${match.cidr}`
    case 'protocol':
      return match.port === undefined ? `-p ${match.protocol}` : `-p ${match.protocol} -m ${match.protocol} --dport ${match.port}`
    case 'interface':
      return `${negated(match.not)}-i ${match.name}`
    case 'outputInterface':
      return `${negated(match.not)}-o ${match.name}`
    case 'sourceIsLocal':
      return '-m addrtype --src-type LOCAL'
    case 'destinationIsLocal':
      return '-m addrtype --dst-type LOCAL'
    case 'state':
      return `-m conntrack ${negated(match.not)}--ctstate ${match.states.join(',')}`
    case 'mark':
      return `-m mark ${negated(match.not)}--mark ${hex(match.value)}/${hex(match.value)}`
    case 'oneIn':
      return `-m statistic --mode random --probability ${(1 / match.parts).toFixed(10)}`
    case 'seenRecently':
      return `-m recent --rcheck --seconds ${match.seconds} --reap --name ${match.list} --rsource`
    case 'noteSource':
      return `-m recent --set --name ${match.list} --rsource`
    case 'comment':
      return `-m comment --comment ${quoted(match.text)}`
  }
}

function targetText(target: Target): string {
  switch (target.type) {
    case 'jump':
      return `-j ${target.chain}`
    case 'accept':
      return '-j ACCEPT'
    case 'drop':
      return '-j DROP'
    case 'return':
      return '-j RETURN'
    case 'reject':
      return target.with ? `-j REJECT --reject-with ${target.with}` : '-j REJECT'
    case 'mark':
      return `-j MARK --set-xmark ${hex(target.value)}/${target.how === 'set' ? hex(target.value) : '0x0'}`
    case 'dnat':
      return `-j DNAT --to-destination ${hostAndPort(target.address, target.port)}`
    case 'masquerade':
      return '-j MASQUERADE --random-fully'
  }
}

/** `-s 10.0.0.1/32 -m comment --comment web -j CHAIN`: what follows `-A CHAIN` in iptables-restore's input. */
export function ruleText(rule: Rule): string {
  return [...rule.matches.map(matchText), targetText(rule.target)].join(' ')
}

/** The whole set as text, chains in alphabetical order: for golden files and for people. */
export function ruleSetText(set: RuleSet): string {
  const lines: string[] = []
  for (const table of tableNames) {
    const chains = [...set.tables[table]].sort(([a], [b]) => (a < b ? -1 : 1))
    const hooks = set.hooks.filter((hook) => hook.table === table)
    if (chains.length === 0 && hooks.length === 0) continue
    lines.push(`*${table}`, ...chains.map(([name]) => `:${name} - [0:0]`))
    for (const hook of hooks) lines.push(`-A ${hook.chain} ${ruleText(hook.rule)}`)
    for (const [name, rules] of chains) for (const rule of rules) lines.push(`-A ${name} ${ruleText(rule)}`)
    lines.push('COMMIT')
  }
  return `${lines.join('\n')}\n`
}
