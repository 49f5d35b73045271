import type { Attributes, MessageWriter } from '../netlink/message.ts'
import type { ExpressionOf, NatFlag, NatRange, RejectType } from './expressions.ts'
import * as numbers from './numbers.ts'
import { type Codec, register, registerNumber } from './register-codec.ts'

const natTypes = ['snat', 'dnat'] as const
const rejectTypes: readonly RejectType[] = ['icmp', 'tcp reset', 'icmpx']
/** NF_NAT_RANGE_*; the two lowest bits, set by the kernel itself, say no more than which registers are given. */
const natFlags: readonly [NatFlag, number][] = [
  ['random', 4],
  ['persistent', 8],
  ['fully-random', 16],
]

/** Expressions that do something with the packet. */
export const actCodecs: { [Name in 'nat' | 'masq' | 'redir' | 'reject' | 'counter' | 'objref' | 'notrack']: Codec<ExpressionOf<Name>> } = {
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
