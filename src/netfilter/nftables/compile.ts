import type { Bytes } from '../netlink/message.ts'
import { type DataType, dataType, registersOf } from './data-types.ts'
import type { Expression, ExpressionOf, NatRange } from './expressions.ts'
import { objectCounter } from './numbers.ts'
import type { Family, NftSet, Rule, Table } from './ruleset.ts'
import { type Key, loadKey, partsOf, prefixMask, type Selector, selectorType, zeros } from './selectors.ts'
import type { Assigned, NatTarget, RejectReason, Statement } from './statements.ts'
import { bytesOf, isFlagType } from './values.ts'

/** Codes of ICMP, ICMPv6 and of either, whichever the packet is. */
const rejectCodes: Record<Exclude<RejectReason, 'tcp reset'>, Record<Family, number>> = {
  'port-unreachable': { ip: 3, ip6: 4, inet: 1 },
  'host-unreachable': { ip: 1, ip6: 3, inet: 2 },
  'no-route': { ip: 0, ip6: 0, inet: 0 },
  'admin-prohibited': { ip: 13, ip6: 1, inet: 3 },
}

/** Statements as the kernel's expressions. Throws where a rule names a set that its table does not have, or one of another type. */
export function compileRule(table: Pick<Table, 'family' | 'sets'>, rule: Rule): Expression[] {
  return rule.statements.flatMap((statement) => compileStatement(table, statement))
}

function compileStatement(table: Pick<Table, 'family' | 'sets'>, statement: Statement): Expression[] {
  switch (statement.kind) {
    case 'match':
      return compileMatch(statement)
    case 'lookup': {
      const set = setFor(table, statement.set, statement.key)
      return [...loadKey(statement.key, 0), { name: 'lookup', set: set.name, from: 0, ...(statement.not ? { not: true } : {}) }]
    }
    case 'vmap': {
      const set = setFor(table, statement.map, statement.key)
      if (set.data !== 'verdict') throw new Error(`map ${set.name} holds no verdicts`)
      return [...loadKey(statement.key, 0), { name: 'lookup', set: set.name, from: 0, into: 'verdict' }]
    }
    case 'verdict':
      return [{ name: 'immediate', verdict: statement.verdict }]
    case 'set':
      return compileAssignment(table, statement.field, statement.to)
    case 'dnat':
    case 'snat':
      return compileNat(table, statement.kind, statement.to, statement.flags ?? [])
    case 'redirect':
      return [
        { name: 'immediate', into: 0, value: bytesOf('inet_service', statement.port) },
        { name: 'redir', port: { from: 0 }, flags: statement.flags ?? [] },
      ]
    case 'masquerade':
      return [{ name: 'masq', flags: statement.flags ?? [] }]
    case 'reject':
      if (statement.with === 'tcp reset') return [{ name: 'reject', type: 'tcp reset', code: 0 }]
      return [{ name: 'reject', type: table.family === 'inet' ? 'icmpx' : 'icmp', code: rejectCodes[statement.with][table.family] }]
    case 'dynset':
      return compileDynset(table, statement)
    case 'counter':
      return compileCounter(table, statement.counter)
    case 'notrack':
      return [{ name: 'notrack' }]
  }
}

function compileMatch({ key, op = '==', value }: Extract<Statement, { kind: 'match' }>): Expression[] {
  const type = selectorType(key)
  const { length, order } = dataType(type)
  const load = loadKey(key, 0)
  const text = String(value)
  if (isFlagType(type)) {
    if (op !== '==' && op !== '!=') throw new Error(`flags are not compared with ${op}`)
    const masked: Expression = { name: 'bitwise', from: 0, into: 0, length, mask: bytesOf(type, value), xor: zeros(length) }
    return [...load, masked, { name: 'cmp', register: 0, op: op === '==' ? '!=' : '==', value: zeros(length) }]
  }
  // A name with * at the end: those that begin so.
  if (type === 'ifname' && text.endsWith('*')) {
    return [...load, { name: 'cmp', register: 0, op, value: bytesOf(type, text.slice(0, -1)).replace(/\0+$/, '') }]
  }
  const prefix = /^(.+)\/(\d+)$/.exec(text)
  if (prefix !== null) {
    const mask = prefixMask(length, Number(prefix[2]))
    const base = maskBytes(bytesOf(type, prefix[1] as string), mask)
    return [...load, { name: 'bitwise', from: 0, into: 0, length, mask, xor: zeros(length) }, { name: 'cmp', register: 0, op, value: base }]
  }
  const range = type === 'ifname' ? null : /^([^-]+)-([^-]+)$/.exec(text)
  if (range !== null && /\d/.test(text)) {
    if (op !== '==' && op !== '!=') throw new Error(`a range is not compared with ${op}`)
    return [...toNetworkOrder(load, order, length), ...rangeOf(type, op, range[1] as string, range[2] as string)]
  }
  // Which is larger is decided from the first byte on.
  const ordered = op !== '==' && op !== '!='
  const bytes = bytesOf(type, value)
  if (!ordered) return [...load, { name: 'cmp', register: 0, op, value: bytes }]
  return [...toNetworkOrder(load, order, length), { name: 'cmp', register: 0, op, value: order === 'host' ? reversed(bytes) : bytes }]
}

function rangeOf(type: DataType, op: '==' | '!=', low: string, high: string): Expression[] {
  const [from, to] = [bytesOf(type, low), bytesOf(type, high)]
  const host = dataType(type).order === 'host'
  const ends = { low: host ? reversed(from) : from, high: host ? reversed(to) : to }
  if (op === '!=') return [{ name: 'range', register: 0, op, ...ends }]
  return [
    { name: 'cmp', register: 0, op: '>=', value: ends.low },
    { name: 'cmp', register: 0, op: '<=', value: ends.high },
  ]
}

function toNetworkOrder(load: Expression[], order: 'network' | 'host', length: number): Expression[] {
  return order === 'network' ? load : [...load, { name: 'byteorder', from: 0, into: 0, to: 'network', length, size: length }]
}

function compileAssignment(table: Pick<Table, 'sets'>, field: string, to: Assigned): Expression[] {
  const [name, key] = field.split(' ') as ['meta' | 'ct', string]
  const store: Expression = name === 'ct' ? { name, key, from: 0 } : { name, key, from: 0 }
  // nftrace is a single byte, marks are four.
  if (typeof to === 'number') {
    return [{ name: 'immediate', into: 0, value: key === 'nftrace' ? String.fromCharCode(to) : bytesOf('mark', to) }, store]
  }
  if (typeof to === 'object' && 'map' in to) {
    const set = setFor(table, to.map, to.key)
    if (!Array.isArray(set.data) || registersOf(set.data) !== 1) throw new Error(`map ${set.name} holds no marks`)
    return [...loadKey(to.key, 0), { name: 'lookup', set: set.name, from: 0, into: 0 }, store]
  }
  if (typeof to === 'object' && 'keep' in to) {
    // (mark & keep) | add, as the one instruction (mark & mask) ^ xor.
    const mask = bytesOf('mark', (to.keep & ~to.add) >>> 0)
    return [
      ...loadKey(field as Selector, 0),
      { name: 'bitwise', from: 0, into: 0, length: 4, mask, xor: bytesOf('mark', to.add >>> 0) },
      store,
    ]
  }
  return [...loadKey(to, 0), store]
}

function compileNat(
  table: Pick<Table, 'family' | 'sets'>,
  type: 'dnat' | 'snat',
  to: NatTarget,
  flags: ExpressionOf<'nat'>['flags'],
): Expression[] {
  if ('map' in to) {
    const set = setFor(table, to.map, to.key)
    const [address, port] = Array.isArray(set.data) ? (set.data as DataType[]) : []
    const family = address === 'ipv4_addr' ? 'ip' : address === 'ipv6_addr' ? 'ip6' : undefined
    if (family === undefined || (port !== undefined && port !== 'inet_service'))
      throw new Error(`map ${set.name} holds no address and port`)
    const portRange: { port?: NatRange } = port === undefined ? {} : { port: { from: registersOf([address as DataType]) } }
    return [
      ...loadKey(to.key, 0),
      { name: 'lookup', set: set.name, from: 0, into: 0 },
      { name: 'nat', type, family, address: { from: 0 }, ...portRange, flags },
    ]
  }
  const six = to.address.includes(':')
  const address = six ? 'ipv6_addr' : 'ipv4_addr'
  const after = 4
  const expressions: Expression[] = [{ name: 'immediate', into: 0, value: bytesOf(address, to.address) }]
  if (to.port !== undefined) expressions.push({ name: 'immediate', into: after, value: bytesOf('inet_service', to.port) })
  const port: { port?: NatRange } = to.port === undefined ? {} : { port: { from: after } }
  return [...expressions, { name: 'nat', type, family: six ? 'ip6' : 'ip', address: { from: 0 }, ...port, flags }]
}

function compileDynset(table: Pick<Table, 'sets'>, statement: Extract<Statement, { kind: 'dynset' }>): Expression[] {
  const { op, key, data, timeoutMs } = statement
  const set = setFor(table, statement.set, key)
  const after = registersOf(partsOf(key).map(selectorType))
  const counter: Expression[] = statement.counter ? [{ name: 'counter', packets: 0, bytes: 0 }] : []
  return [
    ...loadKey(key, 0),
    ...(data === undefined ? [] : loadKey(data, after)),
    {
      name: 'dynset',
      op,
      set: set.name,
      key: 0,
      ...(data === undefined ? {} : { data: after }),
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(counter.length === 0 ? {} : { each: counter }),
    },
  ]
}

function compileCounter(table: Pick<Table, 'sets'>, counter: Extract<Statement, { kind: 'counter' }>['counter']): Expression[] {
  if (counter === undefined) return [{ name: 'counter', packets: 0, bytes: 0 }]
  if (typeof counter === 'string') return [{ name: 'objref', type: objectCounter, object: counter }]
  const set = setFor(table, counter.map, counter.key)
  return [...loadKey(counter.key, 0), { name: 'objref', set: set.name, from: 0 }]
}

/** The table's set of that name, with the key's types checked: the kernel only compares lengths. */
function setFor(table: Pick<Table, 'sets'>, name: string, key: Key): NftSet {
  const set = table.sets.find((each) => each.name === name)
  if (set === undefined) throw new Error(`the table has no set ${name}`)
  const types = partsOf(key).map(selectorType)
  const alike = types.length === set.key.length && types.every((type, index) => sameType(type, set.key[index] as DataType))
  if (!alike) throw new Error(`set ${name} has keys of ${set.key.join(' . ')}, not of ${types.join(' . ')}`)
  return set
}

/** Marks are looked up by numbers, and the other way round. */
const sameType = (a: DataType, b: DataType): boolean => a === b || (isNumber(a) && isNumber(b))
const isNumber = (type: DataType): boolean => type === 'mark' || type === 'index' || type === 'classid'

function maskBytes(bytes: Bytes, mask: Bytes): Bytes {
  let result = ''
  for (let index = 0; index < bytes.length; index++) result += String.fromCharCode(bytes.charCodeAt(index) & mask.charCodeAt(index))
  return result
}

const reversed = (bytes: Bytes): Bytes => [...bytes].reverse().join('')
