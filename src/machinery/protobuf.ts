import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { errorText } from './error-text.ts'

/**
 * Protobuf messages (https://protobuf.dev/programming-guides/encoding) described by tables of fields, from which TypeScript
 * derives their types. Enough for CRI: scalars, enums (as int32), bytes, messages, repeated fields and maps of strings.
 * Unknown fields are skipped. 64-bit integers are numbers: beyond 2^53 they are rounded, which nanosecond times can bear.
 */
type ScalarType = 'string' | 'bytes' | 'bool' | 'int32' | 'uint32' | 'int64' | 'uint64'

interface ScalarOf {
  string: string
  bytes: Uint8Array
  bool: boolean
  int32: number
  uint32: number
  int64: number
  uint64: number
}

export interface ScalarField<T extends ScalarType = ScalarType> {
  readonly shape: 'scalar'
  readonly number: number
  readonly type: T
}
export interface ScalarListField<T extends ScalarType = ScalarType> {
  readonly shape: 'scalars'
  readonly number: number
  readonly type: T
}
export interface MessageField<F extends Fields = Fields> {
  readonly shape: 'message'
  readonly number: number
  readonly fields: F
}
export interface MessageListField<F extends Fields = Fields> {
  readonly shape: 'messages'
  readonly number: number
  readonly fields: F
}
export interface StringMapField {
  readonly shape: 'map'
  readonly number: number
}
type Field = ScalarField | ScalarListField | MessageField | MessageListField | StringMapField
export interface Fields {
  readonly [name: string]: Field
}

/** A message as it is read: absent scalars have proto3's defaults, absent messages are undefined. */
export type Decoded<F extends Fields> = {
  -readonly [K in keyof F]: F[K] extends ScalarField<infer T>
    ? ScalarOf[T]
    : F[K] extends ScalarListField<infer T>
      ? ScalarOf[T][]
      : F[K] extends MessageField<infer M>
        ? Decoded<M> | undefined
        : F[K] extends MessageListField<infer M>
          ? Decoded<M>[]
          : Record<string, string>
}

/** A message as it is written: everything may be left out. */
export type Encodable<F extends Fields> = {
  readonly [K in keyof F]?:
    | (F[K] extends ScalarField<infer T>
        ? ScalarOf[T]
        : F[K] extends ScalarListField<infer T>
          ? readonly ScalarOf[T][]
          : F[K] extends MessageField<infer M>
            ? Encodable<M>
            : F[K] extends MessageListField<infer M>
              ? readonly Encodable<M>[]
              : Readonly<Record<string, string>>)
    | undefined
}

const scalar = <T extends ScalarType>(type: T, number: number): ScalarField<T> => ({ shape: 'scalar', number, type })
export const string = (number: number) => scalar('string', number)
export const bytes = (number: number) => scalar('bytes', number)
export const bool = (number: number) => scalar('bool', number)
export const int32 = (number: number) => scalar('int32', number)
export const uint32 = (number: number) => scalar('uint32', number)
export const int64 = (number: number) => scalar('int64', number)
export const uint64 = (number: number) => scalar('uint64', number)
/** Enums travel as int32. */
export const enumeration = int32
export const scalars = <T extends ScalarType>(type: T, number: number): ScalarListField<T> => ({ shape: 'scalars', number, type })
export const message = <F extends Fields>(number: number, fields: F): MessageField<F> => ({ shape: 'message', number, fields })
export const messages = <F extends Fields>(number: number, fields: F): MessageListField<F> => ({ shape: 'messages', number, fields })
export const stringMap = (number: number): StringMapField => ({ shape: 'map', number })

export class ProtobufError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'ProtobufError'
  }
}

/** Encodes fields by rising number; maps in the order of their keys' insertion. Defaults are left out. */
export function encode<F extends Fields>(fields: F, value: Encodable<F>): Uint8Array {
  const writer = new BinaryWriter()
  for (const name of inOrder(fields)) {
    const part = (value as Record<string, unknown>)[name]
    if (part !== undefined) writeField(writer, fields[name] as Field, part)
  }
  return writer.finish()
}

const orders = new WeakMap<Fields, readonly string[]>()

function inOrder(fields: Fields): readonly string[] {
  let names = orders.get(fields)
  if (!names) {
    names = Object.keys(fields).sort((a, b) => (fields[a] as Field).number - (fields[b] as Field).number)
    orders.set(fields, names)
  }
  return names
}

function writeField(writer: BinaryWriter, field: Field, value: unknown): void {
  switch (field.shape) {
    case 'scalar':
      if (isDefault(value)) return
      writer.tag(field.number, wireTypeOf(field.type))
      writeScalar(writer, field.type, value)
      return
    case 'scalars':
      writeScalars(writer, field, value as readonly unknown[])
      return
    case 'message':
      writer.tag(field.number, WireType.LengthDelimited)
      writer.bytes(encode(field.fields, value as Encodable<Fields>))
      return
    case 'messages':
      for (const item of value as readonly Encodable<Fields>[]) {
        writer.tag(field.number, WireType.LengthDelimited)
        writer.bytes(encode(field.fields, item))
      }
      return
    case 'map':
      for (const [key, text] of Object.entries(value as Record<string, string>)) {
        writer.tag(field.number, WireType.LengthDelimited)
        writer.bytes(encode(mapEntry, { key, value: text }))
      }
  }
}

const mapEntry = { key: string(1), value: string(2) }

const isDefault = (value: unknown): boolean =>
  value === '' || value === 0 || value === false || (value instanceof Uint8Array && value.length === 0)

const wireTypeOf = (type: ScalarType): WireType => (type === 'string' || type === 'bytes' ? WireType.LengthDelimited : WireType.Varint)

function writeScalar(writer: BinaryWriter, type: ScalarType, value: unknown): void {
  if (type === 'string') writer.string(value as string)
  else if (type === 'bytes') writer.bytes(value as Uint8Array)
  else if (type === 'bool') writer.bool(value as boolean)
  else writer[type](value as number)
}

/** Numbers of a list are packed into one field; strings stand one by one. */
function writeScalars(writer: BinaryWriter, { number, type }: ScalarListField, values: readonly unknown[]): void {
  if (values.length === 0) return
  if (wireTypeOf(type) === WireType.LengthDelimited) {
    for (const value of values) {
      writer.tag(number, WireType.LengthDelimited)
      writeScalar(writer, type, value)
    }
    return
  }
  writer.tag(number, WireType.LengthDelimited).fork()
  for (const value of values) writeScalar(writer, type, value)
  writer.join()
}

/** Reads a message. Throws {@link ProtobufError} on bytes that are none. */
export function decode<F extends Fields>(fields: F, data: Uint8Array): Decoded<F> {
  try {
    return read(fields, data)
  } catch (cause) {
    // The reader's own errors: cut short, numbers without an end, unknown wire types.
    throw new ProtobufError(`not a protobuf message: ${errorText(cause)}`, { cause })
  }
}

function read<F extends Fields>(fields: F, data: Uint8Array): Decoded<F> {
  const reader = new BinaryReader(data)
  const value = empty(fields)
  const names = byNumber(fields)
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag()
    const name = names.get(number)
    if (name === undefined) reader.skip(wireType, number)
    else readField(reader, fields[name] as Field, wireType, value, name)
  }
  return value as Decoded<F>
}

const numberings = new WeakMap<Fields, ReadonlyMap<number, string>>()

function byNumber(fields: Fields): ReadonlyMap<number, string> {
  let names = numberings.get(fields)
  if (!names) {
    names = new Map(Object.entries(fields).map(([name, { number }]) => [number, name]))
    numberings.set(fields, names)
  }
  return names
}

const noBytes = Buffer.alloc(0)

function empty(fields: Fields): Record<string, unknown> {
  const value: Record<string, unknown> = {}
  for (const [name, field] of Object.entries(fields)) {
    if (field.shape === 'scalars' || field.shape === 'messages') value[name] = []
    else if (field.shape === 'map') value[name] = {}
    else if (field.shape === 'message') value[name] = undefined
    else if (field.type === 'string') value[name] = ''
    else if (field.type === 'bytes') value[name] = noBytes
    else value[name] = field.type === 'bool' ? false : 0
  }
  return value
}

function readField(reader: BinaryReader, field: Field, wireType: WireType, value: Record<string, unknown>, name: string): void {
  const expected = field.shape === 'scalar' || field.shape === 'scalars' ? wireTypeOf(field.type) : WireType.LengthDelimited
  if (field.shape === 'scalars' && expected === WireType.Varint && wireType === WireType.LengthDelimited) {
    const packed = new BinaryReader(reader.bytes())
    while (packed.pos < packed.len) (value[name] as unknown[]).push(readScalar(packed, field.type))
    return
  }
  if (wireType !== expected) {
    reader.skip(wireType)
    return
  }
  switch (field.shape) {
    case 'scalar':
      value[name] = readScalar(reader, field.type)
      return
    case 'scalars':
      ;(value[name] as unknown[]).push(readScalar(reader, field.type))
      return
    case 'message':
      value[name] = read(field.fields, reader.bytes())
      return
    case 'messages':
      ;(value[name] as unknown[]).push(read(field.fields, reader.bytes()))
      return
    case 'map': {
      const entry = read(mapEntry, reader.bytes())
      Object.defineProperty(value[name], entry.key, { value: entry.value, enumerable: true, writable: true, configurable: true })
    }
  }
}

function readScalar(reader: BinaryReader, type: ScalarType): unknown {
  switch (type) {
    case 'bytes':
      return Buffer.from(reader.bytes())
    case 'int64':
    case 'uint64':
      return Number(reader[type]())
    default:
      return reader[type]()
  }
}
