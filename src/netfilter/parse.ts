import type { ConnectionState, Match, Rule, TableName, Target, TransportProtocol } from './rules.ts'
import { only, tableNames } from './rules.ts'

/** Splits a line as iptables-restore does: at spaces, but not inside double quotes; a backslash keeps the next character. */
export function words(line: string): string[] {
  const found: string[] = []
  for (const match of line.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)) {
    found.push(match[1] === undefined ? (match[2] as string) : match[1].replaceAll(/\\(.)/g, '$1'))
  }
  return found
}

/** A rule that is written in a way this reader does not know: someone else's, for all our rules are known. */
export class UnknownRuleError extends Error {
  constructor(word: string, line: string) {
    super(`don't understand "${word}" in the rule: ${line}`)
    this.name = 'UnknownRuleError'
  }
}

const withMask = (address: string): string => (address.includes('/') ? address : only(address))
const markValue = (text: string): number => Number((text.split('/') as [string])[0])

/** Reads the part after `-A CHAIN`, as `ruleText` and iptables-save write it. Throws {@link UnknownRuleError}. */
export function parseRule(text: string): Rule {
  return new RuleReader(text).read()
}

/** The others lose their meaning without their `!`, and {@link Match} has no word for it. */
const negatable = new Set(['-s', '-d', '-i', '-o', '--ctstate', '--mark'])

class RuleReader {
  readonly #line: string
  readonly #words: string[]
  readonly #matches: Match[] = []
  #target: Target | undefined
  #at = 0

  constructor(line: string) {
    this.#line = line
    this.#words = words(line)
  }

  #next(): string {
    const word = this.#words[this.#at++]
    if (word === undefined) throw new UnknownRuleError('end of line', this.#line)
    return word
  }

  read(): Rule {
    while (this.#at < this.#words.length) {
      let word = this.#next()
      const not = word === '!' ? ({ not: true } as const) : {}
      if (word === '!') word = this.#next()
      if (word === '-j') this.#target = this.#readTarget(this.#next())
      else if (!this.#readMatch(word, not)) throw new UnknownRuleError(word, this.#line)
    }
    if (!this.#target) throw new UnknownRuleError('no target', this.#line)
    return { matches: this.#matches, target: this.#target }
  }

  #readMatch(word: string, not: { not?: true }): boolean {
    if (not.not && !negatable.has(word)) return false
    switch (word) {
      case '-m':
        return this.#readModule(this.#next())
      case '-s':
        return this.#add({ type: 'source', cidr: withMask(this.#next()), ...not })
      case '-d':
        return this.#add({ type: 'destination', cidr: withMask(this.#next()), ...not })
      case '-i':
        return this.#add({ type: 'interface', name: this.#next(), ...not })
      case '-o':
        return this.#add({ type: 'outputInterface', name: this.#next(), ...not })
      case '-p':
        return this.#add({ type: 'protocol', protocol: this.#next() as TransportProtocol })
      case '--dport': {
        const port = Number(this.#next())
        const at = this.#matches.findIndex((match) => match.type === 'protocol')
        const protocol = this.#matches[at]
        if (protocol?.type !== 'protocol') return false
        this.#matches[at] = { ...protocol, port }
        return true
      }
      case '--src-type':
        return this.#next() === 'LOCAL' && this.#add({ type: 'sourceIsLocal' })
      case '--dst-type':
        return this.#next() === 'LOCAL' && this.#add({ type: 'destinationIsLocal' })
      case '--ctstate':
        return this.#add({ type: 'state', states: this.#next().split(',') as ConnectionState[], ...not })
      case '--mark':
        return this.#add({ type: 'mark', value: markValue(this.#next()), ...not })
      case '--comment':
        return this.#add({ type: 'comment', text: this.#next() })
      case '--probability':
        return this.#add({ type: 'oneIn', parts: Math.round(1 / Number(this.#next())) })
      default:
        return false
    }
  }

  #add(match: Match): true {
    this.#matches.push(match)
    return true
  }

  /** `-m tcp` and the like say nothing by themselves; `recent` and `statistic` are read as one. */
  #readModule(name: string): boolean {
    if (name === 'recent') return this.#readRecent()
    if (name === 'statistic') {
      return this.#next() === '--mode' && this.#next() === 'random'
    }
    return ['tcp', 'udp', 'sctp', 'addrtype', 'conntrack', 'mark', 'comment'].includes(name)
  }

  #readRecent(): boolean {
    let sets = false,
      seconds = 0,
      list = ''
    for (;;) {
      const word = this.#words[this.#at]
      if (word === '--set') sets = true
      else if (word === '--seconds') seconds = Number(this.#words[++this.#at])
      else if (word === '--name') list = this.#words[++this.#at] ?? ''
      else if (word === '--mask') this.#at++
      else if (word !== '--rcheck' && word !== '--reap' && word !== '--rsource') break
      this.#at++
    }
    return this.#add(sets ? { type: 'noteSource', list } : { type: 'seenRecently', list, seconds })
  }

  #readTarget(name: string): Target {
    switch (name) {
      case 'ACCEPT':
        return { type: 'accept' }
      case 'DROP':
        return { type: 'drop' }
      case 'RETURN':
        return { type: 'return' }
      case 'REJECT':
        if (this.#words[this.#at] !== '--reject-with') return { type: 'reject' }
        return this.#option('--reject-with') === 'tcp-reset' ? { type: 'reject', with: 'tcp-reset' } : { type: 'reject' }
      case 'MASQUERADE':
        if (this.#words[this.#at] === '--random-fully') this.#at++
        return { type: 'masquerade' }
      case 'DNAT': {
        const [, address, port] = /^\[?(.*?)\]?:(\d+)$/.exec(this.#option('--to-destination')) ?? []
        if (address === undefined) return this.#fail('--to-destination')
        return { type: 'dnat', address, port: Number(port) }
      }
      case 'MARK': {
        const [value, mask] = this.#option('--set-xmark').split('/').map(Number)
        return { type: 'mark', value: value as number, how: mask === 0 ? 'toggle' : 'set' }
      }
      default:
        return { type: 'jump', chain: name }
    }
  }

  #fail(word: string): never {
    throw new UnknownRuleError(word, this.#line)
  }

  #option(name: string): string {
    const word = this.#next()
    if (word !== name) this.#fail(word)
    return this.#next()
  }
}

/** What iptables-save printed: for each table its chains, each with the text of its rules (after `-A CHAIN `). */
export type SavedRules = Readonly<Record<TableName, ReadonlyMap<string, readonly string[]>>>

/** Tables other than nat, filter and mangle are left out. */
export function parseSaved(text: string): SavedRules {
  const tables: Record<TableName, Map<string, string[]>> = { mangle: new Map(), nat: new Map(), filter: new Map() }
  let table: Map<string, string[]> | undefined
  for (const line of text.split('\n')) {
    if (line.startsWith('*')) {
      const name = tableNames.find((known) => known === line.slice(1))
      table = name && tables[name]
    } else if (line.startsWith(':')) {
      table?.set(line.slice(1, line.indexOf(' ')), [])
    } else if (line.startsWith('-A ')) {
      const end = line.indexOf(' ', 3)
      table?.get(line.slice(3, end))?.push(line.slice(end + 1))
    }
  }
  return tables
}
