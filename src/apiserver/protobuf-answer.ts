import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { listTypeOf, subresourceType } from '../api/openapi-names.ts'
import { kindNamed, kinds } from '../api/registry.ts'
import { hasType, schemaOf } from '../api/schema.ts'
import type { ApiWatchEvent } from '../machinery/api-request.ts'
import { isObject } from '../machinery/equality.ts'
import { apiVersionOf } from '../machinery/group-version.ts'
import type { Field, Schema } from '../machinery/schema.ts'
import { type FieldPlace, hasLayout, layoutOf, type MessageLayout } from './protobuf-layout.ts'
import { type Union, unionFields } from './protobuf-unions.ts'

/*
 * Answers as `application/vnd.kubernetes.protobuf`, byte for byte as Go's generated code writes them: fields in the order of their
 * numbers, values that are no pointers even where they are zero, keys of maps sorted.
 */
const magic = Buffer.from('k8s\0')

type Json = Readonly<Record<string, unknown>>
interface Named {
  readonly apiVersion?: string
  readonly kind?: string
}

/** Undefined: nothing that has this form. */
export function protobufBytes(object: object): Buffer | undefined {
  const { apiVersion = '', kind = '' } = object as Named
  const schema = schemaFor(apiVersion, kind)
  return schema && Buffer.concat([magic, envelope(apiVersion, kind, messageOf(object, schema))])
}

/** A batch of a watch in one piece. */
export function protobufFrames(events: readonly ApiWatchEvent[]): Buffer {
  const [only] = events
  return only && events.length === 1 ? sharedFrame(only) : Buffer.concat(events.map(sharedFrame))
}

/** Events are shared by all who watch: each is encoded once. */
const frames = new WeakMap<ApiWatchEvent, Buffer>()

function sharedFrame(event: ApiWatchEvent): Buffer {
  let frame = frames.get(event)
  if (!frame) {
    frame = frameOf(event)
    frames.set(event, frame)
  }
  return frame
}

/** The length in four bytes, then the event, whose object is in an envelope of its own. */
function frameOf(event: ApiWatchEvent): Buffer {
  const object = protobufBytes(event.object)
  if (!object) throw new Error(`no form of ${(event.object as Named).kind} for a watch`)
  const raw = new BinaryWriter().tag(1, WireType.LengthDelimited).bytes(object).finish()
  const writer = new BinaryWriter().tag(1, WireType.LengthDelimited).string(event.type)
  const message = writer.tag(2, WireType.LengthDelimited).bytes(raw).finish()
  const length = Buffer.alloc(4)
  length.writeUInt32BE(message.byteLength)
  return Buffer.concat([length, message])
}

function envelope(apiVersion: string, kind: string, raw: Uint8Array): Uint8Array {
  const writer = new BinaryWriter()
  writer.tag(1, WireType.LengthDelimited).fork()
  text(text(writer, 1, apiVersion), 2, kind).join()
  writer.tag(2, WireType.LengthDelimited).bytes(raw)
  return text(text(writer, 3, ''), 4, '').finish()
}

const text = (writer: BinaryWriter, number: number, value: string): BinaryWriter =>
  writer.tag(number, WireType.LengthDelimited).string(value)

/** Objects of the cache are encoded once, however many ask for them. They never change. */
const messages = new WeakMap<object, Uint8Array>()

function messageOf(object: object, schema: Schema): Uint8Array {
  const known = messages.get(object)
  if (known) return known
  const writer = new BinaryWriter()
  writeFields(writer, layoutOf(schema), object as Json)
  const bytes = writer.finish()
  messages.set(object, bytes)
  return bytes
}

const schemas = new Map<string, Schema | undefined>()

function schemaFor(apiVersion: string, kind: string): Schema | undefined {
  const key = `${apiVersion}/${kind}`
  if (!schemas.has(key)) schemas.set(key, findSchema(apiVersion, kind))
  return schemas.get(key)
}

function findSchema(apiVersion: string, kind: string): Schema | undefined {
  if (apiVersion === 'meta.k8s.io/v1') return metadataSchemas[kind]
  const found = kindNamed(apiVersion, kind)
  if (found) return found.schema
  const ofList = kinds.find((one) => one.listKind === kind && apiVersionOf(one) === apiVersion)
  const typeName = ofList ? listTypeOf(ofList) : (subresourceType(kind) ?? kind)
  if (typeName === undefined || !hasType(typeName)) return undefined
  const schema = schemaOf(typeName)
  return hasLayout(schema) ? schema : undefined
}

/** An object's metadata alone: no type of the published models. */
function metadataSchema(name: string, fields: Readonly<Record<string, Schema>>): Schema {
  const entries = Object.entries(fields).map(([field, schema]): [string, Field] => [field, { schema, required: false }])
  return { type: 'object', name, fields: new Map(entries) }
}

const partial = metadataSchema('PartialObjectMetadata', { metadata: schemaOf('ObjectMeta') })
const metadataSchemas: Readonly<Record<string, Schema | undefined>> = {
  PartialObjectMetadata: partial,
  PartialObjectMetadataList: metadataSchema('PartialObjectMetadataList', {
    metadata: schemaOf('ListMeta'),
    items: { type: 'array', items: partial },
  }),
}

function writeFields(writer: BinaryWriter, layout: MessageLayout, value: Json): void {
  for (const place of layout.values()) {
    if ('embedded' in place) {
      writer.tag(place.number, WireType.LengthDelimited).fork()
      writeFields(writer, place.embedded, value)
      writer.join()
    } else writeField(writer, place, value[place.field])
  }
}

function writeField(writer: BinaryWriter, place: FieldPlace, value: unknown): void {
  const { number, schema, union } = place
  if (schema.type === 'array') {
    for (const item of Array.isArray(value) ? value : []) writeItem(writer, number, schema.items as Schema, item)
  } else if (schema.type === 'map') {
    if (isObject(value)) writeMap(writer, { number, union, items: schema.items as Schema }, value)
  } else if (value === undefined || value === null) {
    // Bytes are a list to Go: absent is absent.
    if (!place.pointer && schema.format !== 'byte') writeValue(writer, number, schema, undefined)
  } else if (union) writeUnion(writer, number, union, value)
  else writeValue(writer, number, schema, value)
}

/** An object of a list is one of the cache's own, perhaps encoded before. */
function writeItem(writer: BinaryWriter, number: number, schema: Schema, item: unknown): void {
  const isWhole = schema.type === 'object' && schema.fields?.get('metadata')?.schema.name === 'ObjectMeta'
  if (isWhole && isObject(item)) writer.tag(number, WireType.LengthDelimited).bytes(messageOf(item, schema))
  else writeValue(writer, number, schema, item)
}

interface MapPlace {
  readonly number: number
  readonly union: Union | undefined
  readonly items: Schema
}

function writeMap(writer: BinaryWriter, { number, union, items }: MapPlace, map: Json): void {
  for (const key of Object.keys(map).sort()) {
    writer.tag(number, WireType.LengthDelimited).fork()
    text(writer, 1, key)
    if (union) writeUnion(writer, 2, union, map[key])
    else writeValue(writer, 2, items, map[key])
    writer.join()
  }
}

function writeUnion(writer: BinaryWriter, number: number, union: Union, value: unknown): void {
  const schema = schemaOf('JSONSchemaProps')
  writer.tag(number, WireType.LengthDelimited).fork()
  if (union === 'schema-or-boolean') {
    writer.tag(unionFields.allows, WireType.Varint).bool(value !== false)
    if (isObject(value)) writeValue(writer, unionFields.allowed, schema, value)
  } else if (Array.isArray(value)) {
    for (const item of value) {
      if (union === 'schema-or-list') writeValue(writer, unionFields.list, schema, item)
      else text(writer, unionFields.names, String(item))
    }
  } else writeValue(writer, unionFields.schema, schema, value)
  writer.join()
}

/** Undefined: the type's zero. */
function writeValue(writer: BinaryWriter, number: number, schema: Schema, value: unknown): void {
  switch (schema.type) {
    case 'object':
      writer.tag(number, WireType.LengthDelimited).fork()
      writeFields(writer, layoutOf(schema), isObject(value) ? value : {})
      writer.join()
      return
    case 'string':
      writeText(writer, number, schema.format, typeof value === 'string' ? value : undefined)
      return
    case 'boolean':
      writer.tag(number, WireType.Varint).bool(value === true)
      return
    case 'integer':
      writer.tag(number, WireType.Varint).int64(typeof value === 'number' ? Math.trunc(value) : 0)
      return
    case 'number':
      writer.tag(number, WireType.Bit64).double(typeof value === 'number' ? value : 0)
      return
    case 'int-or-string':
      writeIntOrString(writer, number, value)
      return
    case 'any':
      writer.tag(number, WireType.LengthDelimited).fork()
      if (value !== undefined) writer.tag(1, WireType.LengthDelimited).bytes(Buffer.from(JSON.stringify(value)))
      writer.join()
      return
    case 'array':
      // A list as the value of a map is a message of its own.
      writer.tag(number, WireType.LengthDelimited).fork()
      for (const item of Array.isArray(value) ? value : []) writeValue(writer, 1, schema.items as Schema, item)
      writer.join()
      return
    case 'map':
      throw new Error('a map within a map has no form')
  }
}

function writeText(writer: BinaryWriter, number: number, format: string | undefined, value: string | undefined): void {
  switch (format) {
    case 'byte':
      writer.tag(number, WireType.LengthDelimited).bytes(Buffer.from(value ?? '', 'base64'))
      return
    case 'quantity':
      writer.tag(number, WireType.LengthDelimited).fork()
      text(writer, 1, value ?? '0').join()
      return
    case 'date-time':
    case 'micro-time':
      writer.tag(number, WireType.LengthDelimited).fork()
      if (value) writeTime(writer, value, format)
      writer.join()
      return
    default:
      text(writer, number, value ?? '')
  }
}

/** Seconds, and of the finer kind of time the microseconds, as nanoseconds. */
function writeTime(writer: BinaryWriter, value: string, format: string): void {
  writer.tag(1, WireType.Varint).int64(Math.floor(Date.parse(value) / 1000))
  const fraction = format === 'micro-time' ? (/\.(\d+)/.exec(value)?.[1] ?? '') : ''
  writer.tag(2, WireType.Varint).int32(Number(fraction.slice(0, 6).padEnd(6, '0')) * 1000)
}

function writeIntOrString(writer: BinaryWriter, number: number, value: unknown): void {
  const isText = typeof value === 'string'
  writer.tag(number, WireType.LengthDelimited).fork()
  writer.tag(1, WireType.Varint).int64(isText ? 1 : 0)
  writer.tag(2, WireType.Varint).int32(typeof value === 'number' ? value : 0)
  text(writer, 3, isText ? value : '').join()
}
