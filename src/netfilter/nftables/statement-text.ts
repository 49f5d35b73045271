import type { NatFlag } from './expressions.ts'
import { verdictText } from './expressions.ts'
import type { Family, Rule } from './ruleset.ts'
import { keySelectorText, selectorText } from './selectors.ts'
import type { Assigned, NatTarget, RejectReason, Statement } from './statements.ts'

/** A rule as `nft` reads it, and people do. */
export function ruleText(family: Family, rule: Rule): string {
  const words = rule.statements.map((statement) => statementText(family, statement))
  if (rule.comment !== undefined) words.push(`comment ${quoted(rule.comment)}`)
  return words.join(' ')
}

export const quoted = (text: string): string => `"${text.replaceAll('"', "'")}"`
export const durationText = (ms: number): string => (ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`)

function statementText(family: Family, statement: Statement): string {
  switch (statement.kind) {
    case 'match': {
      const flagsUnset = /^(ct state|ct status|tcp flags)$/.test(selectorText(statement.key)) && statement.op === '!='
      const op = flagsUnset ? '! ' : statement.op === undefined || statement.op === '==' ? '' : `${statement.op} `
      const value = typeof statement.key === 'string' && /name$/.test(statement.key) ? quoted(String(statement.value)) : statement.value
      return `${selectorText(statement.key)} ${op}${value}`
    }
    case 'lookup':
      return `${keySelectorText(statement.key)} ${statement.not ? '!= ' : ''}@${statement.set}`
    case 'vmap':
      return `${keySelectorText(statement.key)} vmap @${statement.map}`
    case 'verdict':
      return verdictText(statement.verdict)
    case 'set':
      return `${statement.field} set ${assignedText(statement.field, statement.to)}`
    case 'dnat':
    case 'snat':
      return `${statement.kind} ${family === 'ip6' ? 'ip6' : 'ip'} to ${natText(statement.to)}${flagsText(statement.flags)}`
    case 'redirect':
      return `redirect to :${statement.port}${flagsText(statement.flags)}`
    case 'masquerade':
      return `masquerade${flagsText(statement.flags)}`
    case 'reject':
      return `reject with ${rejectText(family, statement.with)}`
    case 'dynset': {
      const timeout = statement.timeoutMs === undefined ? '' : ` timeout ${durationText(statement.timeoutMs)}`
      const counter = statement.counter ? ' counter' : ''
      const data = statement.data === undefined ? '' : ` : ${selectorText(statement.data)}`
      return `${statement.op} @${statement.set} { ${keySelectorText(statement.key)}${timeout}${counter}${data} }`
    }
    case 'counter':
      if (statement.counter === undefined) return 'counter'
      if (typeof statement.counter === 'string') return `counter name ${quoted(statement.counter)}`
      return `counter name ${keySelectorText(statement.counter.key)} map @${statement.counter.map}`
    case 'notrack':
      return 'notrack'
  }
}

function assignedText(field: string, to: Assigned): string {
  if (typeof to === 'number') return field === 'meta nftrace' ? String(to) : hex(to)
  if (typeof to === 'object' && 'map' in to) return `${keySelectorText(to.key)} map @${to.map}`
  if (typeof to === 'object' && 'keep' in to) return `${field} & ${hex(to.keep)} | ${hex(to.add)}`
  return selectorText(to)
}

const hex = (value: number): string => `0x${(value >>> 0).toString(16).padStart(8, '0')}`

function natText(to: NatTarget): string {
  if ('map' in to) return `${keySelectorText(to.key)} map @${to.map}`
  const port = to.port === undefined ? '' : `:${to.port}`
  return port !== '' && to.address.includes(':') ? `[${to.address}]${port}` : `${to.address}${port}`
}

const flagsText = (flags: readonly NatFlag[] = []): string => (flags.length === 0 ? '' : ` ${flags.join(',')}`)

/** The same answer has other names in the two protocols. */
const icmpv6Names: Partial<Record<RejectReason, string>> = { 'host-unreachable': 'addr-unreachable' }
const icmpNames: Partial<Record<RejectReason, string>> = { 'no-route': 'net-unreachable' }

function rejectText(family: Family, reason: RejectReason): string {
  if (reason === 'tcp reset') return reason
  if (family === 'inet') return `icmpx ${reason}`
  return family === 'ip' ? `icmp ${icmpNames[reason] ?? reason}` : `icmpv6 ${icmpv6Names[reason] ?? reason}`
}
