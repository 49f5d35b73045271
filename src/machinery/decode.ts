import { isObject, setKey } from './equality.ts'
import { canonicalQuantity, QuantityError } from './quantity.ts'
import { bareTypeName, type Field, type Schema } from './schema.ts'
import { badRequest, invalid, type StatusError } from './status.ts'

export type FieldValidation = 'Strict' | 'Warn' | 'Ignore'

export interface DecodeOptions {
  readonly fieldValidation: FieldValidation
  /** Faults of the text that only its parser sees ({@link ParsedBody.duplicates}). */
  readonly duplicates?: readonly string[]
  /** Set when `value` is what a patch has made: errors then are those that upstream gives to patches. */
  readonly patch?: unknown
}

export interface Decoded<T = object> {
  readonly object: T
  /** For Warning headers, one each; empty unless fieldValidation is Warn. */
  readonly warnings: string[]
}

/** Upstream stops collecting there. */
const maxStrictErrors = 100
/** Names and paths may be as long as the body. */
const maxStrictCharacters = 100_000

/**
 * Makes an object of its schema out of whatever a client sent: unknown fields are dropped, null counts as absent,
 * quantities and times take their canonical form, and empty lists and maps of optional fields go, as encoding them upstream does.
 * The result shares nothing with `value` but what the schema leaves open.
 * Throws a 400 for wrong types, and with Strict for unknown and duplicate fields (422 if a patch made them).
 */
export function decodeObject<T = object>(schema: Schema, value: unknown, options: DecodeOptions): Decoded<T> {
  if (!isObject(value)) throw fault(schema, value, wrongType(value, goTypeOf(schema)).message, options)
  const decoder = new Decoder()
  let object: unknown
  try {
    object = decoder.value(schema, value, '', '')
  } catch (error) {
    if (error instanceof TypeFault) throw fault(schema, value, error.message, options)
    throw error
  }
  const strict = [...(options.duplicates ?? []), ...decoder.unknown].slice(0, maxStrictErrors)
  if (options.fieldValidation === 'Strict' && strict.length > 0) {
    throw fault(schema, value, `strict decoding error: ${strict.join(', ')}`, options)
  }
  return { object: object as T, warnings: options.fieldValidation === 'Warn' ? strict : [] }
}

function fault(schema: Schema, value: unknown, message: string, { patch }: DecodeOptions): StatusError {
  if (patch !== undefined) {
    const field = {
      field: 'patch',
      reason: 'FieldValueInvalid',
      message: `Invalid value: ${JSON.stringify(JSON.stringify(patch))}: ${message}`,
    }
    return invalid({ group: '', kind: '' }, '', [field])
  }
  const type = bareTypeName(schema.name ?? 'object')
  const { apiVersion, kind } = isObject(value) ? value : {}
  if (typeof kind !== 'string' || !kind) return badRequest(`the object provided is unrecognized (must be of type ${type}): ${message}`)
  const version = typeof apiVersion === 'string' ? apiVersion.slice(apiVersion.indexOf('/') + 1) : ''
  return badRequest(`${kind} in version "${version}" cannot be handled as a ${type}: ${message}`)
}

/** A value that cannot be read as what its field holds. */
class TypeFault extends Error {}

/** How Go's decoder calls what it found. */
function jsonTypeOf(value: unknown): string {
  if (Array.isArray(value)) return 'array'
  return typeof value === 'boolean' ? 'bool' : typeof value
}

/** How Go calls what it expected. */
function goTypeOf(schema: Schema): string {
  switch (schema.type) {
    case 'object':
      return `${/^V\d+(?:(?:alpha|beta)\d+)?(?=[A-Z])/.exec(schema.name ?? '')?.[0].toLowerCase() ?? 'v1'}.${bareTypeName(schema.name ?? 'object')}`
    case 'array':
      return `[]${goTypeOf(schema.items as Schema)}`
    case 'map':
      return `map[string]${goTypeOf(schema.items as Schema)}`
    case 'boolean':
      return 'bool'
    case 'integer':
      return schema.format ?? 'int64'
    case 'number':
      return 'float64'
    case 'int-or-string':
      return 'intstr.IntOrString'
    case 'string':
      if (schema.format === 'quantity') return 'resource.Quantity'
      if (schema.format === 'byte') return '[]uint8'
      return schema.format === 'date-time' ? 'v1.Time' : schema.format === 'micro-time' ? 'v1.MicroTime' : 'string'
    case 'any':
      return 'interface {}'
  }
}

/** `where`: the struct's name and the path of names to the field, both as Go prints them. */
function wrongType(value: unknown, goType: string, where?: { struct: string; fieldPath: string }, found = jsonTypeOf(value)): TypeFault {
  const into = where?.fieldPath ? `Go struct field ${where.struct}.${where.fieldPath}` : 'Go value'
  return new TypeFault(`json: cannot unmarshal ${found} into ${into} of type ${goType}`)
}

class Decoder {
  readonly unknown: string[] = []
  private unknownCharacters = 0
  /** The innermost struct, for messages. */
  private struct = ''

  /** `path` has indexes, as messages on unknown fields have; `fieldPath` has none, as messages on types. */
  value(schema: Schema, value: unknown, path: string, fieldPath: string): unknown {
    switch (schema.type) {
      case 'any':
        return value
      case 'object':
        return this.object(schema, this.checked(isObject(value), schema, value, fieldPath) as Record<string, unknown>, path, fieldPath)
      case 'map':
        return this.map(schema, this.checked(isObject(value), schema, value, fieldPath) as Record<string, unknown>, path, fieldPath)
      case 'array': {
        const items = schema.items as Schema
        const list = this.checked(Array.isArray(value), schema, value, fieldPath) as unknown[]
        return list.map((item, index) => this.valueOrZero(items, item, `${path}[${index}]`, fieldPath))
      }
      case 'boolean':
        return this.checked(typeof value === 'boolean', schema, value, fieldPath)
      case 'number':
        return this.checked(typeof value === 'number', schema, value, fieldPath)
      case 'integer':
        return this.integer(schema.format ?? 'int64', value, fieldPath)
      case 'int-or-string':
        if (typeof value === 'string') return value
        if (typeof value !== 'number') throw wrongType(value, 'int32')
        return this.integer('int32', value, '')
      case 'string':
        return this.string(schema, value, fieldPath)
    }
  }

  private checked(good: boolean, schema: Schema, value: unknown, fieldPath: string): unknown {
    if (good) return value
    throw wrongType(value, goTypeOf(schema), { struct: this.struct, fieldPath })
  }

  private object(schema: Schema, value: Record<string, unknown>, path: string, fieldPath: string): Record<string, unknown> {
    const fields = schema.fields as ReadonlyMap<string, Field>
    const outer = this.struct
    const struct = bareTypeName(schema.name ?? 'object')
    const result: Record<string, unknown> = {}
    for (const key of Object.keys(value)) {
      const field = fields.get(key)
      const keyPath = path ? `${path}.${key}` : key
      if (!field) {
        this.noteUnknown(keyPath)
        continue
      }
      const given = value[key]
      if (given === null || given === undefined) continue
      this.struct = struct
      const decoded = this.value(field.schema, given, keyPath, fieldPath ? `${fieldPath}.${key}` : key)
      if (!field.required && isEmptyCollection(field.schema, decoded)) continue
      result[key] = decoded
    }
    this.struct = outer
    return result
  }

  private noteUnknown(path: string): void {
    if (this.unknown.length >= maxStrictErrors || this.unknownCharacters > maxStrictCharacters) return
    this.unknown.push(`unknown field "${path}"`)
    this.unknownCharacters += path.length
  }

  private map(schema: Schema, value: Record<string, unknown>, path: string, fieldPath: string): Record<string, unknown> {
    const items = schema.items as Schema
    const result: Record<string, unknown> = {}
    for (const key of Object.keys(value)) setKey(result, key, this.valueOrZero(items, value[key], `${path}.${key}`, fieldPath))
    return result
  }

  /** In lists and maps null stands for the type's zero value. */
  private valueOrZero(schema: Schema, value: unknown, path: string, fieldPath: string): unknown {
    return value === null || value === undefined ? zeroOf(schema) : this.value(schema, value, path, fieldPath)
  }

  private integer(format: string, value: unknown, fieldPath: string): number {
    const where = { struct: this.struct, fieldPath }
    if (typeof value !== 'number') throw wrongType(value, format, where)
    const inRange = format === 'int32' ? value >= -(2 ** 31) && value < 2 ** 31 : value >= -(2 ** 63) && value < 2 ** 63
    if (!Number.isInteger(value) || !inRange) throw wrongType(value, format, where, `number ${value}`)
    return Object.is(value, -0) ? 0 : value
  }

  private string(schema: Schema, value: unknown, fieldPath: string): string {
    if (schema.format === 'quantity' && (typeof value === 'string' || typeof value === 'number'))
      return decodedQuantity(String(value).trim())
    const text = this.checked(
      typeof value === 'string',
      schema.format === 'quantity' ? schema : { type: 'string' },
      value,
      fieldPath,
    ) as string
    switch (schema.format) {
      case 'byte':
        return checkedBase64(text)
      case 'date-time':
        return decodedTime(text, 0)
      case 'micro-time':
        return decodedTime(text, 6)
      default:
        return text
    }
  }
}

function isEmptyCollection(schema: Schema, value: unknown): boolean {
  if (schema.type === 'array') return (value as unknown[]).length === 0
  return schema.type === 'map' && Object.keys(value as object).length === 0
}

function zeroOf(schema: Schema): unknown {
  switch (schema.type) {
    case 'object':
    case 'map':
      return {}
    case 'array':
      return []
    case 'boolean':
      return false
    case 'integer':
    case 'number':
    case 'int-or-string':
      return 0
    case 'string':
      if (schema.format === 'quantity') return '0'
      // No time is null to Go.
      return schema.format === 'date-time' || schema.format === 'micro-time' ? null : ''
    case 'any':
      return null
  }
}

function decodedQuantity(text: string): string {
  try {
    return canonicalQuantity(text)
  } catch (error) {
    if (error instanceof QuantityError) throw new TypeFault(error.message)
    throw error
  }
}

/** Go ignores line ends within base64, and names the first byte that doesn't belong. */
function checkedBase64(text: string): string {
  const plain = text.replace(/[\r\n]/g, '')
  const good = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.exec(plain)
  if (good) return plain
  const wrong = plain.search(/[^A-Za-z0-9+/]/)
  throw new TypeFault(`illegal base64 data at input byte ${wrong < 0 ? plain.length - (plain.length % 4) : wrong}`)
}

const timePattern = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:[.,](\d+))?([Zz]|[-+]\d\d:\d\d)$/

/** In UTC with so many decimals of a second, the rest cut off. */
function decodedTime(text: string, decimals: 0 | 6): string {
  const parts = timePattern.exec(text)
  const milliseconds = parts ? Date.parse(text.replace(/[.,]\d+/, '').toUpperCase()) : Number.NaN
  if (!parts || Number.isNaN(milliseconds)) {
    throw new TypeFault(
      `parsing time ${JSON.stringify(text)} as "2006-01-02T15:04:05Z07:00": cannot parse ${JSON.stringify(text)} as "2006"`,
    )
  }
  const seconds = new Date(milliseconds).toISOString().slice(0, 19)
  return decimals ? `${seconds}.${(parts[7] ?? '').slice(0, 6).padEnd(6, '0')}Z` : `${seconds}Z`
}
