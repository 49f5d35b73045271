import type { Schema } from '../machinery/schema.ts'
import fields from './protobuf-fields.json' with { type: 'json' }
import { type Union, unionOf } from './protobuf-unions.ts'

/*
 * protobuf-fields.json: numbers of the fields of Kubernetes' protobuf messages, facts of the published API by the names of types
 * and JSON fields: `name 1`. Several numbers, as in `hostPath 2.1`: the field lies in an embedded message that JSON does not have.
 * What Go makes of a field that is not set is its last sign: `?` nothing (a pointer); `!` its zero, in JSON too; otherwise
 * zero is written, and JSON leaves it out.
 */
const rows: Readonly<Record<string, string | undefined>> = fields

export interface FieldPlace {
  readonly number: number
  readonly field: string
  readonly schema: Schema
  /** Set where protobuf has a message that JSON has not. */
  readonly union: Union | undefined
  readonly pointer: boolean
  readonly keepsZero: boolean
}

export interface EmbeddedPlace {
  readonly number: number
  readonly embedded: MessageLayout
}

export type Place = FieldPlace | EmbeddedPlace
/** Places by their numbers, in rising order: so the table is written. */
export type MessageLayout = ReadonlyMap<number, Place>

const layouts = new WeakMap<Schema, MessageLayout>()

export function hasLayout(schema: Schema): boolean {
  return rows[schema.name ?? ''] !== undefined
}

/** How messages of a type are laid out. Throws for a type without numbers. */
export function layoutOf(schema: Schema): MessageLayout {
  const known = layouts.get(schema)
  if (known) return known
  const row = rows[schema.name as string]
  if (row === undefined) throw new Error(`${schema.name} is not known in this form`)
  const layout = new Map<number, Place>()
  for (const entry of row.split(', ').filter(Boolean)) addPlace(layout, schema, entry)
  layouts.set(schema, layout)
  return layout
}

function addPlace(into: Map<number, Place>, schema: Schema, entry: string): void {
  const [field = '', numbers = ''] = entry.split(' ')
  const found = schema.fields?.get(field)
  if (!found) return
  const sign = numbers.at(-1)
  const path = numbers.replace(/[?!]$/, '').split('.').map(Number)
  const number = path.pop() as number
  let layout = into
  for (const outer of path) {
    const place = layout.get(outer)
    const embedded = place && 'embedded' in place ? (place.embedded as Map<number, Place>) : new Map<number, Place>()
    layout.set(outer, { number: outer, embedded })
    layout = embedded
  }
  layout.set(number, {
    number,
    field,
    schema: found.schema,
    union: unionOf(`${schema.name}.${field}`),
    pointer: sign === '?',
    keepsZero: sign === '!',
  })
}
