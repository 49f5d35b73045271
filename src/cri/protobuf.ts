/**
 * A small protobuf codec (https://protobuf.dev/programming-guides/encoding): messages are described by tables of fields, TypeScript
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
  constructor(text: string) {
    super(text)
    this.name = 'ProtobufError'
  }
}

const varint = 0
const fixed64 = 1
const lengthDelimited = 2
const fixed32 = 5

class Writer {
  #buffer = Buffer.allocUnsafe(256)
  #length = 0

  #room(size: number): void {
    if (this.#length + size <= this.#buffer.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#length + size))
    this.#buffer.copy(larger, 0, 0, this.#length)
    this.#buffer = larger
  }

  tag(number: number, wireType: number): void {
    this.varint(number * 8 + wireType)
  }

  /** A whole number; negative ones take ten bytes, as protobuf wants. */
  varint(value: number): void {
    if (!Number.isSafeInteger(value)) throw new ProtobufError(`${value} is no safe integer`)
    this.#room(10)
    if (value < 0) {
      this.#negative(value)
      return
    }
    let rest = value
    while (rest > 127) {
      this.#buffer[this.#length++] = (rest % 128) | 128
      rest = Math.floor(rest / 128)
    }
    this.#buffer[this.#length++] = rest
  }

  #negative(value: number): void {
    let rest = BigInt.asUintN(64, BigInt(value))
    while (rest > 127n) {
      this.#buffer[this.#length++] = Number(rest & 127n) | 128
      rest >>= 7n
    }
    this.#buffer[this.#length++] = Number(rest)
  }

  string(text: string): void {
    const size = Buffer.byteLength(text)
    this.varint(size)
    this.#room(size)
    this.#length += this.#buffer.write(text, this.#length)
  }

  bytes(data: Uint8Array): void {
    this.varint(data.length)
    this.#room(data.length)
    this.#buffer.set(data, this.#length)
    this.#length += data.length
  }

  finish(): Uint8Array {
    return this.#buffer.subarray(0, this.#length)
  }
}

/** Encodes fields by rising number; maps in the order of their keys' insertion. Defaults are left out. */
export function encode<F extends Fields>(fields: F, value: Encodable<F>): Uint8Array {
  const writer = new Writer()
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

function writeField(writer: Writer, field: Field, value: unknown): void {
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
      writer.tag(field.number, lengthDelimited)
      writer.bytes(encode(field.fields, value as Encodable<Fields>))
      return
    case 'messages':
      for (const item of value as readonly Encodable<Fields>[]) {
        writer.tag(field.number, lengthDelimited)
        writer.bytes(encode(field.fields, item))
      }
      return
    case 'map':
      for (const [key, text] of Object.entries(value as Record<string, string>)) {
        writer.tag(field.number, lengthDelimited)
        writer.bytes(encode(mapEntry, { key, value: text }))
      }
  }
}

const mapEntry = { key: string(1), value: string(2) }

const isDefault = (value: unknown): boolean =>
  value === '' || value === 0 || value === false || (value instanceof Uint8Array && value.length === 0)

const wireTypeOf = (type: ScalarType): number => (type === 'string' || type === 'bytes' ? lengthDelimited : varint)

function writeScalar(writer: Writer, type: ScalarType, value: unknown): void {
  if (type === 'string') writer.string(value as string)
  else if (type === 'bytes') writer.bytes(value as Uint8Array)
  else writer.varint(Number(value))
}

/** Numbers of a list are packed into one field; strings stand one by one. */
function writeScalars(writer: Writer, { number, type }: ScalarListField, values: readonly unknown[]): void {
  if (values.length === 0) return
  if (wireTypeOf(type) === lengthDelimited) {
    for (const value of values) {
      writer.tag(number, lengthDelimited)
      writeScalar(writer, type, value)
    }
    return
  }
  const packed = new Writer()
  for (const value of values) writeScalar(packed, type, value)
  writer.tag(number, lengthDelimited)
  writer.bytes(packed.finish())
}

class Reader {
  readonly data: Buffer
  position = 0
  constructor(data: Uint8Array) {
    this.data = Buffer.from(data.buffer, data.byteOffset, data.length)
  }

  get atEnd(): boolean {
    return this.position >= this.data.length
  }

  /** Low and high half of a 64-bit number. */
  #halves(): [number, number] {
    let low = 0,
      high = 0
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.data[this.position++]
      if (byte === undefined) throw new ProtobufError('the message ends within a number')
      const bits = byte & 127
      if (shift < 28) low |= bits << shift
      else if (shift === 28) {
        low |= bits << 28
        high |= bits >> 4
      } else high |= bits << (shift - 32)
      if (byte < 128) return [low >>> 0, high >>> 0]
    }
    throw new ProtobufError('a number is longer than ten bytes')
  }

  unsigned(): number {
    const [low, high] = this.#halves()
    return high * 2 ** 32 + low
  }

  signed(): number {
    const [low, high] = this.#halves()
    return (high | 0) * 2 ** 32 + low
  }

  int32(): number {
    return this.#halves()[0] | 0
  }

  chunk(): Buffer {
    const end = this.unsigned() + this.position
    if (end > this.data.length) throw new ProtobufError('the message ends within a field')
    const part = this.data.subarray(this.position, end)
    this.position = end
    return part
  }

  skip(wireType: number): void {
    if (wireType === varint) this.#halves()
    else if (wireType === lengthDelimited) this.chunk()
    else if (wireType === fixed64) this.position += 8
    else if (wireType === fixed32) this.position += 4
    else throw new ProtobufError(`wire type ${wireType} is not in use`)
    if (this.position > this.data.length) throw new ProtobufError('the message ends within a field')
  }
}

/** Reads a message. Throws {@link ProtobufError} on bytes that are none. */
export function decode<F extends Fields>(fields: F, data: Uint8Array): Decoded<F> {
  const reader = new Reader(data)
  const value = empty(fields)
  const names = byNumber(fields)
  while (!reader.atEnd) {
    const tag = reader.unsigned()
    const name = names.get(tag >>> 3)
    if (name === undefined) reader.skip(tag & 7)
    else readField(reader, fields[name] as Field, tag & 7, value, name)
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

function readField(reader: Reader, field: Field, wireType: number, value: Record<string, unknown>, name: string): void {
  const expected = field.shape === 'scalar' || field.shape === 'scalars' ? wireTypeOf(field.type) : lengthDelimited
  if (field.shape === 'scalars' && expected === varint && wireType === lengthDelimited) {
    const packed = new Reader(reader.chunk())
    while (!packed.atEnd) (value[name] as unknown[]).push(readScalar(packed, field.type))
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
      value[name] = decode(field.fields, reader.chunk())
      return
    case 'messages':
      ;(value[name] as unknown[]).push(decode(field.fields, reader.chunk()))
      return
    case 'map': {
      const entry = decode(mapEntry, reader.chunk())
      Object.defineProperty(value[name], entry.key, { value: entry.value, enumerable: true, writable: true, configurable: true })
    }
  }
}

function readScalar(reader: Reader, type: ScalarType): unknown {
  switch (type) {
    case 'string':
      return reader.chunk().toString('utf8')
    case 'bytes':
      return Buffer.from(reader.chunk())
    case 'bool':
      return reader.unsigned() !== 0
    case 'int32':
      return reader.int32()
    case 'int64':
      return reader.signed()
    case 'uint32':
    case 'uint64':
      return reader.unsigned()
  }
}
