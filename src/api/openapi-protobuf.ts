import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { isObject } from '../machinery/equality.ts'

type Json = Readonly<Record<string, unknown>>

/**
 * The form in which client-go asks for /openapi/v2 (`application/com.github.proto-openapi.spec.v2@v1.0+protobuf`): gnostic's
 * openapi.v2.Document, of which this writes the messages that {@link ./openapi.ts openApiV2} uses
 * (https://github.com/google/gnostic/blob/main/openapiv2/OpenAPIv2.proto).
 */
export function openApiV2Protobuf(document: Json): Uint8Array {
  const message = new Message()
  message.text(1, document.swagger)
  message.child(2, (info) => {
    info.text(1, (document.info as Json).title)
    info.text(2, (document.info as Json).version)
  })
  message.child(8, (paths) => named(paths, 2, document.paths, pathItem))
  message.child(9, (definitions) => named(definitions, 1, document.definitions, schema))
  return message.bytes()
}

/** Fields are written only if they are there: absent and zero are the same in proto3. */
class Message {
  private readonly writer = new BinaryWriter()

  text(field: number, value: unknown): void {
    if (typeof value === 'string' && value !== '') this.writer.tag(field, WireType.LengthDelimited).string(value)
  }
  texts(field: number, values: unknown): void {
    for (const value of Array.isArray(values) ? values : []) this.writer.tag(field, WireType.LengthDelimited).string(String(value))
  }
  flag(field: number, value: unknown): void {
    if (value === true) this.writer.tag(field, WireType.Varint).bool(true)
  }
  child(field: number, fill: (message: Message) => void): void {
    const message = new Message()
    fill(message)
    this.writer.tag(field, WireType.LengthDelimited).bytes(message.bytes())
  }
  bytes(): Uint8Array {
    return this.writer.finish()
  }
}

/** A map, as gnostic has them: a list of (name, value). */
function named(into: Message, field: number, entries: unknown, fill: (message: Message, value: Json) => void): void {
  for (const [name, value] of Object.entries(isObject(entries) ? entries : {})) {
    into.child(field, (entry) => {
      entry.text(1, name)
      entry.child(2, (message) => fill(message, value as Json))
    })
  }
}

/** Values of any shape travel as YAML text, of which JSON is a part. */
function anyValue(into: Message, value: unknown): void {
  into.text(2, JSON.stringify(value))
}

function extensions(into: Message, field: number, of: Json): void {
  for (const [name, value] of Object.entries(of)) {
    if (!name.startsWith('x-')) continue
    into.child(field, (entry) => {
      entry.text(1, name)
      entry.child(2, (any) => anyValue(any, value))
    })
  }
}

const methodFields = { get: 2, put: 3, post: 4, delete: 5, patch: 8 }

function pathItem(into: Message, item: Json): void {
  for (const [method, field] of Object.entries(methodFields)) {
    const found = item[method]
    if (isObject(found)) into.child(field, (message) => operation(message, found))
  }
  parameters(into, 9, item.parameters)
  extensions(into, 10, item)
}

function operation(into: Message, value: Json): void {
  into.texts(1, value.tags)
  into.text(3, value.description)
  into.text(5, value.operationId)
  into.texts(6, value.produces)
  into.texts(7, value.consumes)
  parameters(into, 8, value.parameters)
  into.child(9, (responses) =>
    named(responses, 1, value.responses, (responseValue, response) =>
      responseValue.child(1, (message) => {
        message.text(1, response.description)
        const body = response.schema
        if (isObject(body)) message.child(2, (item) => item.child(1, (inner) => schema(inner, body)))
      }),
    ),
  )
  into.texts(10, value.schemes)
  extensions(into, 13, value)
}

function parameters(into: Message, field: number, values: unknown): void {
  for (const value of Array.isArray(values) ? (values as Json[]) : []) {
    into.child(field, (item) =>
      item.child(1, (parameter) => (value.in === 'body' ? bodyParameter(parameter, value) : otherParameter(parameter, value))),
    )
  }
}

function bodyParameter(into: Message, value: Json): void {
  into.child(1, (body) => {
    body.text(1, value.description)
    body.text(2, value.name)
    body.text(3, value.in)
    body.flag(4, value.required)
    body.child(5, (inner) => schema(inner, value.schema as Json))
  })
}

/** Query and path parameters differ by a field that shifts those after it. */
function otherParameter(into: Message, value: Json): void {
  const inQuery = value.in === 'query'
  into.child(2, (nonBody) =>
    nonBody.child(inQuery ? 3 : 4, (message) => {
      message.flag(1, value.required)
      message.text(2, value.in)
      message.text(3, value.description)
      message.text(4, value.name)
      message.text(inQuery ? 6 : 5, value.type)
      message.flag(inQuery ? 20 : 19, value.uniqueItems)
    }),
  )
}

function schema(into: Message, value: Json): void {
  into.text(1, value.$ref)
  into.text(2, value.format)
  into.text(4, value.description)
  into.texts(19, value.required)
  const { additionalProperties, items, properties, type } = value
  if (isObject(additionalProperties)) into.child(21, (item) => item.child(1, (inner) => schema(inner, additionalProperties)))
  if (typeof type === 'string') into.child(22, (item) => item.texts(1, [type]))
  if (isObject(items)) into.child(23, (item) => item.child(1, (inner) => schema(inner, items)))
  if (isObject(properties)) into.child(25, (item) => named(item, 1, properties, schema))
  extensions(into, 31, value)
}
