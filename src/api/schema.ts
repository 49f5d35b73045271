import { readFileSync } from 'node:fs'
import type { Field, Schema } from '../machinery/schema.ts'
import generated from './generated/schema.json' with { type: 'json' }
import { factsOf, isAtomicType, isQuantity } from './schema-facts.ts'

/** A field as tools/generate.ts writes it. */
interface FieldJson {
  readonly type: string
  readonly format?: string
  readonly ref?: string
  readonly items?: FieldJson
  readonly required?: boolean
}

const types = generated as unknown as Readonly<Record<string, { readonly fields: Readonly<Record<string, FieldJson>> } | undefined>>
const cache = new Map<string, Schema>()

/**
 * The schema of a built-in type by its name in generated/types.ts (`Pod`, `PodSpec`, `V2HorizontalPodAutoscaler`).
 * Always the same object for the same name; fields are resolved when first asked for. Throws for a name that isn't there.
 */
export function schemaOf(typeName: string): Schema {
  const known = cache.get(typeName)
  if (known) return known
  const type = types[typeName]
  if (!type) throw new Error(`no API type is called ${typeName}`)
  let fields: ReadonlyMap<string, Field> | undefined
  const schema: Schema = {
    type: 'object',
    name: typeName,
    ...(isAtomicType(typeName) ? { atomic: true } : {}),
    get fields() {
      fields ??= new Map(Object.entries(type.fields).map(([name, json]) => [name, fieldOf(typeName, name, json)]))
      return fields
    },
  }
  cache.set(typeName, schema)
  return schema
}

export function hasType(typeName: string): boolean {
  return types[typeName] !== undefined
}

function fieldOf(typeName: string, name: string, json: FieldJson): Field {
  const schema = valueSchema(json, isQuantity(typeName, name))
  const facts = factsOf(typeName, name)
  const mapType = facts.mapType ?? (schema.atomic ? 'atomic' : undefined)
  return { schema, required: json.required === true, ...facts, ...(mapType ? { mapType } : {}) }
}

const scalars = new Map<string, Schema>()

/** Scalars of one type and format share one schema. */
function scalar(type: Schema['type'], format: string | undefined): Schema {
  const key = `${type}/${format ?? ''}`
  let schema = scalars.get(key)
  if (!schema) {
    schema = format ? { type, format } : { type }
    scalars.set(key, schema)
  }
  return schema
}

function valueSchema(json: FieldJson, quantity: boolean): Schema {
  if (json.ref) return schemaOf(json.ref)
  const type = json.type as Schema['type']
  if (json.items) return { type, items: valueSchema(json.items, quantity) }
  return scalar(type, quantity && type === 'string' ? 'quantity' : json.format)
}

type Descriptions = Readonly<
  Record<string, { readonly description: string; readonly fields: Readonly<Record<string, string>> } | undefined>
>
let descriptions: Descriptions | undefined

/** A megabyte that only OpenAPI and `explain` need: read when first asked for. It lies beside the bundle once there is one. */
function loadDescriptions(): Descriptions {
  const places = ['./generated/descriptions.json', './descriptions.json'].map((path) => new URL(path, import.meta.url))
  for (const place of places) {
    try {
      return JSON.parse(readFileSync(place, 'utf8')) as Descriptions
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
  throw new Error(`the API descriptions are missing; looked in ${places.map((place) => place.pathname).join(' and ')}`)
}

/** The published description of a type or of one of its fields; empty where there is none. */
export function descriptionOf(typeName: string, field?: string): string {
  descriptions ??= loadDescriptions()
  const type = descriptions[typeName]
  return (field === undefined ? type?.description : type?.fields[field]) ?? ''
}

/** Lets go of the descriptions' memory; the next question reads them again. */
export function forgetDescriptions(): void {
  descriptions = undefined
}
