import { BinaryReader, WireType } from '@bufbuild/protobuf/wire'
import { schemaOf } from '../api/schema.ts'
import { isObject, setKey } from '../machinery/equality.ts'
import type { Schema } from '../machinery/schema.ts'
import { badRequest } from '../machinery/status.ts'
import { type FieldPlace, layoutOf, type MessageLayout } from './protobuf-layout.ts'
import { type Union, unionFields } from './protobuf-unions.ts'

/*
 * Bodies that Go clients send as `application/vnd.kubernetes.protobuf` (kubectl create does), made into the value that the
 * same object is in JSON: https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding
 */
const magic = Buffer.from('k8s\0')
const maxDepth = 100

type Json = Record<string, unknown>

/** `schemaFor` answers the schema of what the envelope says it holds. Throws BadRequest for bytes that are no such message. */
export function decodeProtobuf(bytes: Uint8Array, schemaFor: (apiVersion: string, kind: string) => Schema): Json {
  try {
    const { apiVersion, kind, raw } = readEnvelope(bytes)
    const value = readMessage(schemaFor(apiVersion, kind), raw, 0)
    return { ...value, apiVersion, kind }
  } catch (error) {
    // The reader's own errors: cut short, unknown wire types, numbers past their range.
    if (error instanceof RangeError || (error instanceof Error && error.constructor === Error)) {
      throw badRequest(`the body of the request is no valid protobuf message: ${error.message}`)
    }
    throw error
  }
}

function readEnvelope(bytes: Uint8Array): { apiVersion: string; kind: string; raw: Uint8Array } {
  if (!magic.equals(Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(4, bytes.byteLength)))) throw new Error('it has no envelope')
  let apiVersion = ''
  let kind = ''
  let raw: Uint8Array = new Uint8Array()
  eachField(bytes.subarray(4), (number, wire, reader) => {
    if (number === 2) raw = reader.bytes()
    else if (number === 1) {
      eachField(reader.bytes(), (inner, innerWire, type) => {
        if (inner === 1) apiVersion = type.string()
        else if (inner === 2) kind = type.string()
        else type.skip(innerWire)
      })
    } else reader.skip(wire)
  })
  return { apiVersion, kind, raw }
}

/** `read` must consume the field's value. */
function eachField(bytes: Uint8Array, read: (number: number, wire: WireType, reader: BinaryReader) => void): void {
  const reader = new BinaryReader(bytes)
  while (reader.pos < reader.len) {
    const [number, wire] = reader.tag()
    read(number, wire, reader)
  }
}

function readMessage(schema: Schema, bytes: Uint8Array, depth: number): Json {
  if (depth > maxDepth) throw new Error('it nests too deep')
  const into: Json = {}
  readInto(into, layoutOf(schema), bytes, depth)
  return into
}

function readInto(into: Json, layout: MessageLayout, bytes: Uint8Array, depth: number): void {
  eachField(bytes, (number, wire, reader) => {
    const place = layout.get(number)
    if (!place) reader.skip(wire)
    else if ('embedded' in place) readInto(into, place.embedded, reader.bytes(), depth + 1)
    else readField(into, place, wire, reader, depth)
  })
}

function readField(into: Json, place: FieldPlace, wire: WireType, reader: BinaryReader, depth: number): void {
  const { field, schema, union } = place
  if (schema.type === 'array') {
    into[field] ??= []
    ;(into[field] as unknown[]).push(...readItems(schema.items as Schema, wire, reader, depth))
  } else if (schema.type === 'map') {
    into[field] ??= {}
    readEntry(into[field] as Json, schema.items as Schema, reader.bytes(), { union, depth })
  } else {
    const value = union ? readUnion(union, reader.bytes(), depth) : readValue(schema, wire, reader, depth)
    if (value === undefined || (isZero(value) && !place.pointer && !place.keepsZero)) return
    into[field] = isObject(value) && isObject(into[field]) ? { ...into[field], ...value } : value
  }
}

/** What Go writes where JSON leaves a field out. */
function isZero(value: unknown): boolean {
  return value === '' || value === 0 || value === false
}

function readUnion(union: Union, bytes: Uint8Array, depth: number): unknown {
  const schema = schemaOf('JSONSchemaProps')
  const items: unknown[] = []
  let one: unknown
  let allowed = false
  const isBoolean = union === 'schema-or-boolean'
  eachField(bytes, (number, _wire, reader) => {
    if (isBoolean && number === unionFields.allows) allowed = reader.bool()
    else if (number === (isBoolean ? unionFields.allowed : unionFields.schema)) one = readMessage(schema, reader.bytes(), depth + 1)
    else if (union === 'schema-or-list') items.push(readMessage(schema, reader.bytes(), depth + 1))
    else items.push(reader.string())
  })
  return one ?? (isBoolean ? allowed : items)
}

/** Numbers may come packed into one field. */
function readItems(schema: Schema, wire: WireType, reader: BinaryReader, depth: number): unknown[] {
  if (schema.type !== 'integer' || wire !== WireType.LengthDelimited) return [readValue(schema, wire, reader, depth)]
  const packed = new BinaryReader(reader.bytes())
  const values: unknown[] = []
  while (packed.pos < packed.len) values.push(readValue(schema, WireType.Varint, packed, depth))
  return values
}

function readEntry(map: Json, schema: Schema, bytes: Uint8Array, { union, depth }: { union: Union | undefined; depth: number }): void {
  let key = ''
  let value: unknown
  eachField(bytes, (number, wire, reader) => {
    if (number === 1) key = reader.string()
    else if (number === 2) value = union ? readUnion(union, reader.bytes(), depth) : readValue(schema, wire, reader, depth)
    else reader.skip(wire)
  })
  setKey(map, key, value ?? (schema.format === 'date-time' ? null : ''))
}

function readValue(schema: Schema, wire: WireType, reader: BinaryReader, depth: number): unknown {
  switch (schema.type) {
    case 'object':
      return readMessage(schema, reader.bytes(), depth + 1)
    case 'string':
      return readText(schema, reader)
    case 'boolean':
      return reader.bool()
    case 'integer':
      return Number(reader.int64())
    case 'number':
      return reader.double()
    case 'int-or-string':
      return readIntOrString(reader.bytes())
    case 'any':
      return readRaw(reader.bytes())
    case 'array':
      return readList(schema.items as Schema, reader.bytes(), depth)
    default:
      reader.skip(wire)
      return undefined
  }
}

/** A list as the value of a map is a message of its own, which JSON does not have. */
function readList(schema: Schema, bytes: Uint8Array, depth: number): unknown[] {
  const items: unknown[] = []
  eachField(bytes, (number, wire, reader) => {
    if (number === 1) items.push(readValue(schema, wire, reader, depth))
    else reader.skip(wire)
  })
  return items
}

function readText({ format }: Schema, reader: BinaryReader): string | undefined {
  switch (format) {
    case 'byte':
      return Buffer.from(reader.bytes()).toString('base64')
    case 'quantity':
      return firstString(reader.bytes())
    case 'date-time':
    case 'micro-time':
      return readTime(reader.bytes())
    default:
      return reader.string()
  }
}

function firstString(bytes: Uint8Array): string {
  let text = ''
  eachField(bytes, (number, wire, reader) => {
    if (number === 1) text = reader.string()
    else reader.skip(wire)
  })
  return text
}

/** Undefined: Go's zero time, which is no time. */
function readTime(bytes: Uint8Array): string | undefined {
  let seconds = 0
  let nanos = 0
  eachField(bytes, (number, wire, reader) => {
    if (number === 1) seconds = Number(reader.int64())
    else if (number === 2) nanos = reader.int32()
    else reader.skip(wire)
  })
  if (seconds === 0 && nanos === 0) return undefined
  const whole = new Date(seconds * 1000).toISOString().slice(0, 19)
  return `${whole}.${String(Math.floor(nanos / 1000)).padStart(6, '0')}Z`
}

function readIntOrString(bytes: Uint8Array): number | string {
  let isText = false
  let number = 0
  let text = ''
  eachField(bytes, (field, wire, reader) => {
    if (field === 1) isText = reader.int32() === 1
    else if (field === 2) number = reader.int32()
    else if (field === 3) text = reader.string()
    else reader.skip(wire)
  })
  return isText ? text : number
}

/** A RawExtension or FieldsV1: JSON in a field. */
function readRaw(bytes: Uint8Array): unknown {
  const text = firstString(bytes)
  if (!text) return undefined
  try {
    return JSON.parse(text)
  } catch (error) {
    throw badRequest(`the body of the request holds wrong JSON: ${(error as Error).message}`)
  }
}
