import { dataValue, dataVerdict, writeData, writeVerdictData } from './data-codec.ts'
import { ctKeyName, ctKeyNumber, type ExpressionOf, type FibFlag, metaKeyName, metaKeyNumber, type PayloadBase } from './expressions.ts'
import { type Codec, register, registerNumber } from './register-codec.ts'

const payloadBases: readonly PayloadBase[] = ['link', 'network', 'transport', 'inner']
const numgenModes = ['inc', 'random'] as const
const fibResults = [undefined, 'oif', 'oifname', 'type'] as const
const fibFlags: readonly FibFlag[] = ['saddr', 'daddr', 'mark', 'iif', 'oif', 'present']

/** Expressions that put something into registers. */
export const loadCodecs: { [Name in 'payload' | 'meta' | 'ct' | 'fib' | 'numgen' | 'hash' | 'immediate']: Codec<ExpressionOf<Name>> } = {
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
}
