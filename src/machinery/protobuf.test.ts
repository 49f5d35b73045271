import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  bool,
  bytes,
  decode,
  encode,
  int32,
  int64,
  message,
  messages,
  ProtobufError,
  scalars,
  string,
  stringMap,
  uint64,
} from './protobuf.ts'

const Inner = { name: string(1), count: int64(2) }
const Outer = {
  text: string(1),
  flag: bool(2),
  small: int32(3),
  large: int64(4),
  whole: uint64(5),
  data: bytes(6),
  inner: message(7, Inner),
  list: messages(8, Inner),
  numbers: scalars('int64', 9),
  words: scalars('string', 10),
  map: stringMap(300),
}

const safe = fc.maxSafeInteger()
const inner = fc.record({ name: fc.string(), count: safe })
const outer = fc.record({
  text: fc.string({ unit: 'binary' }),
  flag: fc.boolean(),
  small: fc.integer(),
  large: safe,
  whole: fc.maxSafeNat(),
  data: fc.uint8Array().map((array) => Buffer.from(array)),
  inner: fc.option(inner, { nil: undefined }),
  list: fc.array(inner),
  numbers: fc.array(safe),
  words: fc.array(fc.string()),
  map: fc.dictionary(fc.string(), fc.string(), { noNullPrototype: true }),
})

describe('protobuf', () => {
  test('what was encoded is read again', () => {
    fc.assert(
      fc.property(outer, (value) => {
        expect(decode(Outer, encode(Outer, value))).toEqual(value)
      }),
    )
  })

  test('numbers are written as the reference implementation writes them', () => {
    fc.assert(
      fc.property(safe, fc.integer(), (large, small) => {
        const reference = new BinaryWriter()
        if (small !== 0) reference.tag(3, WireType.Varint).int32(small)
        if (large !== 0) reference.tag(4, WireType.Varint).int64(large)
        expect(Buffer.from(encode(Outer, { large, small }))).toEqual(Buffer.from(reference.finish()))
      }),
    )
  })

  test('whole messages are those of the reference implementation', () => {
    const reference = new BinaryWriter()
    reference.tag(1, WireType.LengthDelimited).string('é')
    reference.tag(2, WireType.Varint).bool(true)
    reference.tag(7, WireType.LengthDelimited).fork().tag(1, WireType.LengthDelimited).string('in').join()
    reference.tag(9, WireType.LengthDelimited).fork().int64(-1).int64(300).join()
    reference
      .tag(300, WireType.LengthDelimited)
      .fork()
      .tag(1, WireType.LengthDelimited)
      .string('k')
      .tag(2, WireType.LengthDelimited)
      .string('v')
      .join()
    const value = { text: 'é', flag: true, inner: { name: 'in' }, numbers: [-1, 300], map: { k: 'v' } }
    expect(Buffer.from(encode(Outer, value))).toEqual(Buffer.from(reference.finish()))
  })

  test('the reference implementation reads what we write', () => {
    const reader = new BinaryReader(encode(Outer, { text: 'x'.repeat(300), large: -5 }))
    expect([reader.tag(), reader.string().length, reader.tag(), Number(reader.int64())]).toEqual([[1, 2], 300, [4, 0], -5])
  })

  test('unknown fields are skipped, lists of numbers are read packed or one by one', () => {
    const writer = new BinaryWriter()
    writer.tag(99, WireType.Varint).uint64(7).tag(98, WireType.Bit64).fixed64(1).tag(97, WireType.Bit32).fixed32(1)
    writer.tag(96, WireType.LengthDelimited).string('?').tag(9, WireType.Varint).int64(1).tag(9, WireType.Varint).int64(2)
    expect(decode(Outer, writer.finish()).numbers).toEqual([1, 2])
  })

  test('nanoseconds since the epoch keep their milliseconds', () => {
    const writer = new BinaryWriter().tag(4, WireType.Varint).int64(1_795_464_000_123_456_789n)
    expect(Math.floor(decode(Outer, writer.finish()).large / 1e6)).toBe(1_795_464_000_123)
  })

  test('a map’s key can not reach the prototype', () => {
    const read = decode(Outer, encode(Outer, { map: Object.fromEntries([['__proto__', 'evil']]) }))
    expect(Object.keys(read.map)).toEqual(['__proto__'])
  })

  test('cut or endless input is refused', () => {
    const whole = encode(Outer, { text: 'hello', list: [{ name: 'a' }] })
    expect(() => decode(Outer, whole.subarray(0, whole.length - 1))).toThrow(ProtobufError)
    expect(() => decode(Outer, Buffer.alloc(20, 0xff))).toThrow(ProtobufError)
  })
})
