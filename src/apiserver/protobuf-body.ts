import { BinaryReader, WireType } from '@bufbuild/protobuf/wire'
import { isObject, setKey } from '../machinery/equality.ts'
import type { Schema } from '../machinery/schema.ts'
import { badRequest } from '../machinery/status.ts'
import { protobufFields } from './protobuf-fields.ts'

/*
 * Bodies that Go clients send as `application/vnd.kubernetes.protobuf` (kubectl create does), made into the value that the
 * same object is in JSON: https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding
 */
const magic = Buffer.from('k8s\0')
const maxDepth = 100
/** Go writes these even where they are not set; to the API 0 means that here. Elsewhere 0 is a value. */
const zeroIsUnset = new Set(['nodePort', 'healthCheckNodePort', 'hostPort', 'generation', 'minReadySeconds', 'observedGeneration'])
/** The same for false, where it is what leaving the field out means. */
const falseIsUnset = new Set(
  'paused stdin stdinOnce tty hostIPC hostNetwork hostPID publishNotReadyAddresses readOnly unschedulable'.split(' '),
)

type Json = Record<string, unknown>

/** Which JSON field a field number stands for; a message that JSON does not have leads on to its own fields. */
type Place = { readonly field: string; readonly schema: Schema } | { readonly embedded: ReadonlyMap<number, Place> }

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

const placesOfSchema = new WeakMap<Schema, ReadonlyMap<number, Place>>()

function placesOf(schema: Schema): ReadonlyMap<number, Place> {
  const known = placesOfSchema.get(schema)
  if (known) return known
  const row = protobufFields[schema.name as string]
  if (row === undefined) throw new Error(`${schema.name} is not known in this form`)
  const places = new Map<number, Place>()
  for (const entry of row.split(', ')) {
    const [field = '', numbers = ''] = entry.split(' ')
    const [number, inner] = numbers.split('.').map(Number) as [number, number?]
    const fieldSchema = schema.fields?.get(field)?.schema
    if (!fieldSchema) continue
    if (inner === undefined) places.set(number, { field, schema: fieldSchema })
    else {
      const outer = places.get(number) ?? { embedded: new Map<number, Place>() }
      if ('embedded' in outer) (outer.embedded as Map<number, Place>).set(inner, { field, schema: fieldSchema })
      places.set(number, outer)
    }
  }
  placesOfSchema.set(schema, places)
  return places
}

function readMessage(schema: Schema, bytes: Uint8Array, depth: number): Json {
  if (depth > maxDepth) throw new Error('it nests too deep')
  const into: Json = {}
  readInto(into, placesOf(schema), bytes, depth)
  return into
}

function readInto(into: Json, places: ReadonlyMap<number, Place>, bytes: Uint8Array, depth: number): void {
  eachField(bytes, (number, wire, reader) => {
    const place = places.get(number)
    if (!place) reader.skip(wire)
    else if ('embedded' in place) readInto(into, place.embedded, reader.bytes(), depth + 1)
    else readField(into, place.field, place.schema, wire, reader, depth)
  })
}

function readField(into: Json, field: string, schema: Schema, wire: WireType, reader: BinaryReader, depth: number): void {
  if (schema.type === 'array') {
    into[field] ??= []
    ;(into[field] as unknown[]).push(...readItems(schema.items as Schema, wire, reader, depth))
  } else if (schema.type === 'map') {
    into[field] ??= {}
    readEntry(into[field] as Json, schema.items as Schema, reader.bytes(), depth)
  } else {
    const value = readValue(schema, wire, reader, depth)
    // Go writes the empty text where JSON leaves a field out.
    if (value === undefined || value === '' || (value === 0 && zeroIsUnset.has(field)) || (value === false && falseIsUnset.has(field)))
      return
    into[field] = isObject(value) && isObject(into[field]) ? { ...into[field], ...value } : value
  }
}

/** Numbers may come packed into one field. */
function readItems(schema: Schema, wire: WireType, reader: BinaryReader, depth: number): unknown[] {
  if (schema.type !== 'integer' || wire !== WireType.LengthDelimited) return [readValue(schema, wire, reader, depth)]
  const packed = new BinaryReader(reader.bytes())
  const values: unknown[] = []
  while (packed.pos < packed.len) values.push(readValue(schema, WireType.Varint, packed, depth))
  return values
}

function readEntry(map: Json, schema: Schema, bytes: Uint8Array, depth: number): void {
  let key = ''
  let value: unknown
  eachField(bytes, (number, wire, reader) => {
    if (number === 1) key = reader.string()
    else if (number === 2) value = readValue(schema, wire, reader, depth)
    else reader.skip(wire)
  })
  setKey(map, key, value ?? '')
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
