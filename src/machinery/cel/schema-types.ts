import type { Schema } from '../schema.ts'
import { unescapedNames } from './field-names.ts'
import { bool, bytes, type CelType, double, dyn, int, listOf, mapOf, objectType, string, timestamp } from './types.ts'

const known = new WeakMap<Schema, CelType>()

/** The type of a value of this schema. What may be a number or a text, quantities too, is settled when it is looked at. */
export function celTypeOf(schema: Schema): CelType {
  const found = known.get(schema)
  if (found) return found
  const type = newTypeOf(schema)
  known.set(schema, type)
  return type
}

const texts: Readonly<Record<string, CelType>> = { byte: bytes, 'date-time': timestamp, 'micro-time': timestamp, quantity: dyn }

function newTypeOf(schema: Schema): CelType {
  const items = (): CelType => (schema.items ? celTypeOf(schema.items) : dyn)
  switch (schema.type) {
    case 'object':
      return schema.fields ? objectType(schema.name ?? 'object', (name) => fieldType(schema, name)) : dyn
    case 'map':
      return mapOf(string, items())
    case 'array':
      return listOf(items())
    case 'string':
      return texts[schema.format ?? ''] ?? string
    case 'integer':
      return int
    case 'number':
      return double
    case 'boolean':
      return bool
    default:
      return dyn
  }
}

function fieldType({ fields }: Schema, name: string): CelType | undefined {
  const field = unescapedNames(name)
    .map((one) => fields?.get(one))
    .find((one) => one !== undefined)
  return field && celTypeOf(field.schema)
}
