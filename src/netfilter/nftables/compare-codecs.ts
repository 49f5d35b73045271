import type { Bytes } from '../netlink/message.ts'
import { dataValue, writeData } from './data-codec.ts'
import type { CompareOp, ExpressionOf } from './expressions.ts'
import { type Codec, register, registerNumber } from './register-codec.ts'

const compareOps: readonly CompareOp[] = ['==', '!=', '<', '<=', '>', '>=']
const lookupNot = 1

/** Expressions that compute with registers, and look them up. */
export const compareCodecs: { [Name in 'cmp' | 'range' | 'bitwise' | 'byteorder' | 'lookup']: Codec<ExpressionOf<Name>> } = {
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
}

function numberBytes(value: number): Bytes {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes.toString('latin1')
}
