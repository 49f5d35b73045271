import { type Attributes, attributesIn, type Bytes, type MessageWriter } from '../netlink/message.ts'
import {
  type CompareOp,
  ctKeyName,
  ctKeyNumber,
  type Expression,
  type ExpressionOf,
  type FibFlag,
  metaKeyName,
  metaKeyNumber,
  type NatFlag,
  type NatRange,
  type PayloadBase,
  type Register,
  type RejectType,
  type Verdict,
} from './expressions.ts'
import * as numbers from './numbers.ts'

/** Encoding and decoding of {@link Expression}s. Each kind is one row: its writer and its reader side by side. */
interface Codec<E extends Expression> {
  write(expression: E, to: MessageWriter): void
  /** Undefined where an attribute is missing or says something that {@link Expression} has no words for. */
  read(from: Attributes): E | undefined
}

const compareOps: readonly CompareOp[] = ['==', '!=', '<', '<=', '>', '>=']
const payloadBases: readonly PayloadBase[] = ['link', 'network', 'transport', 'inner']
const dynsetOps = ['add', 'update', 'delete'] as const
const numgenModes = ['inc', 'random'] as const
const fibResults = [undefined, 'oif', 'oifname', 'type'] as const
const fibFlags: readonly FibFlag[] = ['saddr', 'daddr', 'mark', 'iif', 'oif', 'present']
const natTypes = ['snat', 'dnat'] as const
const rejectTypes: readonly RejectType[] = ['icmp', 'tcp reset', 'icmpx']
/** NF_NAT_RANGE_*; the two lowest bits, set by the kernel itself, say no more than which registers are given. */
const natFlags: readonly [NatFlag, number][] = [
  ['random', 4],
  ['persistent', 8],
  ['fully-random', 16],
]
const lookupNot = 1

const codecs: { [Name in Exclude<Expression['name'], 'unknown'>]: Codec<ExpressionOf<Name>> } = {
  payload: {
    write(e, to) {
      to.u32(1, registerNumber(e.into))
      to.u32(2, payloadBases.indexOf(e.base))
      to.u32(3, e.offset)
      to.u32(4, e.length)
    },
    read(from) {
      const [into, base, offset, length] = [register(from, 1), payloadBases[from.u32(2) ?? -1], from.u32(3), from.u32(4)]
      // Without a destination it writes to the packet.
      return into === undefined || base === undefined || offset === undefined || length === undefined
        ? undefined
        : { name: 'payload', base, offset, length, into }
    },
  },
  meta: {
    write(e, to) {
      if ('into' in e) to.u32(1, registerNumber(e.into))
      to.u32(2, metaKeyNumber(e.key))
      if ('from' in e) to.u32(3, registerNumber(e.from))
    },
    read(from) {
      const [into, key, source] = [register(from, 1), from.u32(2), register(from, 3)]
      if (key === undefined) return undefined
      if (into !== undefined) return { name: 'meta', key: metaKeyName(key), into }
      return source === undefined ? undefined : { name: 'meta', key: metaKeyName(key), from: source }
    },
  },
  ct: {
    write(e, to) {
      if ('into' in e) to.u32(1, registerNumber(e.into))
      to.u32(2, ctKeyNumber(e.key))
      if (e.direction !== undefined) to.u8(3, e.direction === 'reply' ? 1 : 0)
      if ('from' in e) to.u32(4, registerNumber(e.from))
    },
    read(from) {
      const [into, key, way, source] = [register(from, 1), from.u32(2), from.u8(3), register(from, 4)]
      if (key === undefined) return undefined
      const direction = way === undefined ? {} : { direction: way === 1 ? ('reply' as const) : ('original' as const) }
      if (into !== undefined) return { name: 'ct', key: ctKeyName(key), ...direction, into }
      return source === undefined ? undefined : { name: 'ct', key: ctKeyName(key), ...direction, from: source }
    },
  },
  cmp: {
    write(e, to) {
      to.u32(1, registerNumber(e.register))
      to.u32(2, compareOps.indexOf(e.op))
      writeData(to, 3, e.value)
    },
    read(from) {
      const [at, op, value] = [register(from, 1), compareOps[from.u32(2) ?? -1], dataValue(from, 3)]
      return at === undefined || op === undefined || value === undefined ? undefined : { name: 'cmp', register: at, op, value }
    },
  },
  range: {
    write(e, to) {
      to.u32(1, registerNumber(e.register))
      to.u32(2, compareOps.indexOf(e.op))
      writeData(to, 3, e.low)
      writeData(to, 4, e.high)
    },
    read(from) {
      const [at, op, low, high] = [register(from, 1), compareOps[from.u32(2) ?? -1], dataValue(from, 3), dataValue(from, 4)]
      if (at === undefined || low === undefined || high === undefined || (op !== '==' && op !== '!=')) return undefined
      return { name: 'range', register: at, op, low, high }
    },
  },
  bitwise: {
    write(e, to) {
      to.u32(1, registerNumber(e.from))
      to.u32(2, registerNumber(e.into))
      to.u32(3, e.length)
      if ('mask' in e) {
        writeData(to, 4, e.mask)
        writeData(to, 5, e.xor)
      } else {
        to.u32(6, e.shift === 'left' ? 1 : 2)
        writeData(to, 7, numberBytes(e.by))
      }
    },
    read(from) {
      const [source, into, length, op] = [register(from, 1), register(from, 2), from.u32(3), from.u32(6) ?? 0]
      if (source === undefined || into === undefined || length === undefined) return undefined
      const [mask, xor, by] = [dataValue(from, 4), dataValue(from, 5), dataValue(from, 7)]
      if (op === 0 && mask !== undefined && xor !== undefined) return { name: 'bitwise', from: source, into, length, mask, xor }
      if ((op !== 1 && op !== 2) || by === undefined || by.length !== 4) return undefined
      return {
        name: 'bitwise',
        from: source,
        into,
        length,
        shift: op === 1 ? 'left' : 'right',
        by: Buffer.from(by, 'latin1').readUInt32LE(),
      }
    },
  },
  byteorder: {
    write(e, to) {
      to.u32(1, registerNumber(e.from))
      to.u32(2, registerNumber(e.into))
      to.u32(3, e.to === 'host' ? 0 : 1)
      to.u32(4, e.length)
      to.u32(5, e.size)
    },
    read(from) {
      const [source, into, op, length, size] = [register(from, 1), register(from, 2), from.u32(3), from.u32(4), from.u32(5)]
      if (source === undefined || into === undefined || op === undefined || length === undefined || size === undefined) return undefined
      return { name: 'byteorder', from: source, into, to: op === 0 ? 'host' : 'network', length, size }
    },
  },
  immediate: {
    write(e, to) {
      to.u32(1, 'verdict' in e ? 0 : registerNumber(e.into))
      if ('verdict' in e) writeVerdictData(to, 2, e.verdict)
      else writeData(to, 2, e.value)
    },
    read(from) {
      const [into, value, verdict] = [register(from, 1), dataValue(from, 2), dataVerdict(from, 2)]
      if (verdict !== undefined) return { name: 'immediate', verdict }
      return into === undefined || value === undefined ? undefined : { name: 'immediate', into, value }
    },
  },
  lookup: {
    write(e, to) {
      to.text(1, e.set)
      to.u32(2, registerNumber(e.from))
      if (e.into !== undefined) to.u32(3, e.into === 'verdict' ? 0 : registerNumber(e.into))
      if (e.not) to.u32(5, lookupNot)
    },
    read(from) {
      const [set, source, into] = [from.text(1), register(from, 2), from.u32(3)]
      if (set === undefined || source === undefined) return undefined
      const not = from.u32(5) === lookupNot ? { not: true as const } : {}
      if (into === undefined) return { name: 'lookup', set, from: source, ...not }
      return { name: 'lookup', set, from: source, into: into === 0 ? 'verdict' : (register(from, 3) ?? 'verdict'), ...not }
    },
  },
  dynset: {
    write(e, to) {
      to.text(1, e.set)
      to.u32(3, dynsetOps.indexOf(e.op))
      to.u32(4, registerNumber(e.key))
      if (e.data !== undefined) to.u32(5, registerNumber(e.data))
      if (e.timeoutMs !== undefined) to.u64(6, e.timeoutMs)
      const [each, ...more] = e.each ?? []
      if (each === undefined) return
      if (more.length > 0) throw new Error('one expression at most is kept with each element')
      to.u32(9, 2) // NFT_DYNSET_F_EXPR
      const nest = to.nest(7)
      writeExpression(each, to)
      to.endNest(nest)
    },
    read(from) {
      const [set, op, key] = [from.text(1), dynsetOps[from.u32(3) ?? -1], register(from, 4)]
      if (set === undefined || op === undefined || key === undefined || ((from.u32(9) ?? 0) & 1) !== 0) return undefined
      const [data, timeoutMs] = [register(from, 5), from.u64(6)]
      const one = from.nested(7)
      const each = one === undefined ? readExpressionList(from.nested(10)) : [readExpression(one)]
      return {
        name: 'dynset',
        op,
        set,
        key,
        ...(data === undefined ? {} : { data }),
        ...(timeoutMs === undefined || timeoutMs === 0 ? {} : { timeoutMs }),
        ...(each.length === 0 ? {} : { each }),
      }
    },
  },
  numgen: {
    write(e, to) {
      to.u32(1, registerNumber(e.into))
      to.u32(2, e.modulus)
      to.u32(3, numgenModes.indexOf(e.mode))
      to.u32(4, e.offset)
    },
    read(from) {
      const [into, modulus, mode] = [register(from, 1), from.u32(2), numgenModes[from.u32(3) ?? -1]]
      if (into === undefined || modulus === undefined || mode === undefined) return undefined
      return { name: 'numgen', mode, modulus, offset: from.u32(4) ?? 0, into }
    },
  },
  hash: {
    write(e, to) {
      to.u32(2, registerNumber(e.into))
      if (e.kind === 'jenkins') {
        to.u32(1, registerNumber(e.from))
        to.u32(3, e.length)
        if (e.seed !== undefined) to.u32(5, e.seed)
      }
      to.u32(4, e.modulus)
      to.u32(6, e.offset)
      to.u32(7, e.kind === 'jenkins' ? 0 : 1)
    },
    read(from) {
      const [into, modulus, type] = [register(from, 2), from.u32(4), from.u32(7)]
      if (into === undefined || modulus === undefined) return undefined
      const offset = from.u32(6) ?? 0
      if (type === 1) return { name: 'hash', kind: 'symmetric', modulus, offset, into }
      const [source, length, seed] = [register(from, 1), from.u32(3), from.u32(5)]
      if (source === undefined || length === undefined) return undefined
      return { name: 'hash', kind: 'jenkins', from: source, length, ...(seed === undefined ? {} : { seed }), modulus, offset, into }
    },
  },
  fib: {
    write(e, to) {
      to.u32(1, registerNumber(e.into))
      to.u32(2, fibResults.indexOf(e.result))
      to.u32(
        3,
        e.flags.reduce((sum, flag) => sum | (1 << fibFlags.indexOf(flag)), 0),
      )
    },
    read(from) {
      const [into, result, flags] = [register(from, 1), fibResults[from.u32(2) ?? 0], from.u32(3)]
      if (into === undefined || result === undefined || flags === undefined) return undefined
      return { name: 'fib', result, flags: fibFlags.filter((_, bit) => (flags & (1 << bit)) !== 0), into }
    },
  },
  nat: {
    write(e, to) {
      to.u32(1, natTypes.indexOf(e.type))
      to.u32(2, numbers.families[e.family])
      writeNatRange(to, 3, e.address)
      writeNatRange(to, 5, e.port)
      writeNatFlags(to, 7, e.flags)
    },
    read(from) {
      const [type, family] = [natTypes[from.u32(1) ?? -1], from.u32(2)]
      if (type === undefined || (family !== numbers.families.ip && family !== numbers.families.ip6)) return undefined
      return {
        name: 'nat',
        type,
        family: family === numbers.families.ip ? 'ip' : 'ip6',
        ...readNatRange(from, 3, 'address'),
        ...readNatRange(from, 5, 'port'),
        flags: readNatFlags(from, 7),
      }
    },
  },
  masq: {
    write(e, to) {
      writeNatFlags(to, 1, e.flags)
      writeNatRange(to, 2, e.port)
    },
    read: (from) => ({ name: 'masq', ...readNatRange(from, 2, 'port'), flags: readNatFlags(from, 1) }),
  },
  redir: {
    write(e, to) {
      writeNatRange(to, 1, e.port)
      writeNatFlags(to, 3, e.flags)
    },
    read: (from) => ({ name: 'redir', ...readNatRange(from, 1, 'port'), flags: readNatFlags(from, 3) }),
  },
  reject: {
    write(e, to) {
      to.u32(1, rejectTypes.indexOf(e.type))
      to.u8(2, e.code)
    },
    read(from) {
      const type = rejectTypes[from.u32(1) ?? -1]
      return type === undefined ? undefined : { name: 'reject', type, code: from.u8(2) ?? 0 }
    },
  },
  counter: {
    write(e, to) {
      to.u64(1, e.bytes)
      to.u64(2, e.packets)
    },
    read: (from) => ({ name: 'counter', packets: from.u64(2) ?? 0, bytes: from.u64(1) ?? 0 }),
  },
  objref: {
    write(e, to) {
      if ('set' in e) {
        to.u32(3, registerNumber(e.from))
        to.text(4, e.set)
      } else {
        to.u32(1, e.type)
        to.text(2, e.object)
      }
    },
    read(from) {
      const [type, name, source, set] = [from.u32(1), from.text(2), register(from, 3), from.text(4)]
      if (set !== undefined && source !== undefined) return { name: 'objref', set, from: source }
      return type === undefined || name === undefined ? undefined : { name: 'objref', type, object: name }
    },
  },
  notrack: { write: () => undefined, read: () => ({ name: 'notrack' }) },
}

export function writeExpressions(expressions: readonly Expression[], type: number, to: MessageWriter): void {
  const list = to.nest(type)
  for (const expression of expressions) {
    const nest = to.nest(numbers.listElem)
    writeExpression(expression, to)
    to.endNest(nest)
  }
  to.endNest(list)
}

/** An expression's own attributes, for where the list element around it has another type. */
export function writeExpression(expression: Expression, to: MessageWriter): void {
  if (expression.name === 'unknown') throw new Error(`cannot be written, only read: ${expression.what}`)
  to.text(numbers.expr.name, expression.name)
  const nest = to.nest(numbers.expr.data)
  ;(codecs[expression.name] as Codec<Expression>).write(expression, to)
  to.endNest(nest)
}

export function readExpressionList(from: Attributes | undefined): Expression[] {
  return (from?.list ?? []).map(({ payload }) => readExpression(attributesIn(payload)))
}

export function readExpression(from: Attributes): Expression {
  const name = from.text(numbers.expr.name) ?? 'an expression without a name'
  const attributes = from.nested(numbers.expr.data) ?? attributesIn(Buffer.alloc(0))
  const codec = Object.hasOwn(codecs, name) ? (codecs[name as keyof typeof codecs] as Codec<Expression>) : undefined
  return codec?.read(attributes) ?? { name: 'unknown', what: unknownText(name, attributes) }
}

/** iptables' own matches and targets, inside nftables rules that iptables-nft wrote, tell their names. */
function unknownText(name: string, attributes: Attributes): string {
  return name === 'match' || name === 'target' ? `iptables ${name} ${attributes.text(1) ?? ''}`.trim() : name
}

/** The kernel gives the first of four registers its older, 128-bit name. */
function registerNumber(register: Register): number {
  if (!Number.isInteger(register) || register < 0 || register > 15) throw new Error(`no such register: ${register}`)
  return register % 4 === 0 ? 1 + register / 4 : 8 + register
}

function register(from: Attributes, type: number): Register | undefined {
  const number = from.u32(type)
  if (number === undefined) return undefined
  if (number >= 1 && number <= 4) return (number - 1) * 4
  return number >= 8 && number <= 23 ? number - 8 : undefined
}

function numberBytes(value: number): Bytes {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes.toString('latin1')
}

export function writeData(to: MessageWriter, type: number, value: Bytes): void {
  const nest = to.nest(type)
  to.raw(numbers.data.value, value)
  to.endNest(nest)
}

export const dataValue = (from: Attributes, type: number): Bytes | undefined => from.nested(type)?.raw(numbers.data.value)

const verdictCodes = { drop: 0, accept: 1, queue: 3, continue: -1, break: -2, jump: -3, goto: -4, return: -5 } as const

export function writeVerdictData(to: MessageWriter, type: number, verdict: Verdict): void {
  const around = to.nest(type)
  const nest = to.nest(numbers.data.verdict)
  if (typeof verdict === 'string') to.u32(numbers.verdict.code, verdictCodes[verdict])
  else {
    to.u32(numbers.verdict.code, 'jump' in verdict ? verdictCodes.jump : verdictCodes.goto)
    to.text(numbers.verdict.chain, 'jump' in verdict ? verdict.jump : verdict.goto)
  }
  to.endNest(nest)
  to.endNest(around)
}

export const dataVerdict = (from: Attributes, type: number): Verdict | undefined => readVerdict(from.nested(type), numbers.data.verdict)

export function readVerdict(from: Attributes | undefined, type: number): Verdict | undefined {
  const verdict = from?.nested(type)
  const number = verdict?.u32(numbers.verdict.code)
  if (verdict === undefined || number === undefined) return undefined
  const chain = verdict.text(numbers.verdict.chain) ?? ''
  // The upper half of a queue's verdict is the queue.
  const code = number | 0
  if (code === verdictCodes.jump) return { jump: chain }
  if (code === verdictCodes.goto) return { goto: chain }
  const name = Object.entries(verdictCodes).find(([, value]) => value === (code > 0 ? code & 0xff : code))?.[0]
  return name as Exclude<Verdict, object> | undefined
}

function writeNatRange(to: MessageWriter, type: number, range: NatRange | undefined): void {
  if (range === undefined) return
  to.u32(type, registerNumber(range.from))
  if (range.to !== undefined) to.u32(type + 1, registerNumber(range.to))
}

/** The kernel gives the same register as the upper end where none was given. */
function readNatRange<Part extends string>(from: Attributes, type: number, part: Part): { [_ in Part]?: NatRange } {
  const [low, high] = [register(from, type), register(from, type + 1)]
  if (low === undefined) return {}
  const range: NatRange = high === undefined || high === low ? { from: low } : { from: low, to: high }
  return { [part]: range } as { [_ in Part]: NatRange }
}

function writeNatFlags(to: MessageWriter, type: number, flags: readonly NatFlag[]): void {
  const bits = natFlags.reduce((sum, [name, bit]) => (flags.includes(name) ? sum | bit : sum), 0)
  if (bits !== 0) to.u32(type, bits)
}

function readNatFlags(from: Attributes, type: number): NatFlag[] {
  const bits = from.u32(type) ?? 0
  return natFlags.filter(([, bit]) => (bits & bit) !== 0).map(([name]) => name)
}
