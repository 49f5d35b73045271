import { deepEqual } from '../equality.ts'
import type { ManagedFieldsEntry } from '../object.ts'
import type { Schema } from '../schema.ts'
import { type FieldSet, fieldsOf, fromFieldsV1, toFieldsV1 } from './field-set.ts'

/** One entry of metadata.managedFields, read. */
export interface Manager {
  readonly name: string
  readonly operation: 'Apply' | 'Update'
  readonly apiVersion: string
  readonly subresource: string
  /** RFC 3339. */
  readonly time: string | undefined
  readonly fields: FieldSet
}

type Identity = Pick<Manager, 'name' | 'operation' | 'apiVersion' | 'subresource'>

export function sameManager(a: Identity, b: Identity): boolean {
  return (
    a.name === b.name &&
    a.operation === b.operation &&
    a.subresource === b.subresource &&
    (a.operation === 'Apply' || a.apiVersion === b.apiVersion)
  )
}

export function readManagers(entries: readonly ManagedFieldsEntry[] | undefined): Manager[] {
  return (entries ?? []).map((entry) => ({
    name: entry.manager ?? '',
    operation: entry.operation === 'Apply' ? 'Apply' : 'Update',
    apiVersion: entry.apiVersion ?? '',
    subresource: entry.subresource ?? '',
    time: entry.time,
    fields: fromFieldsV1(entry.fieldsV1),
  }))
}

/** Managers that own nothing are left out; those that apply come first, then the older ones. */
export function writeManagers(managers: readonly Manager[]): ManagedFieldsEntry[] {
  const order = (a: Manager, b: Manager): number =>
    a.operation.localeCompare(b.operation) || (a.time ?? '').localeCompare(b.time ?? '') || a.name.localeCompare(b.name)
  return managers
    .filter(({ fields }) => fields.size > 0)
    .sort(order)
    .map(({ name, operation, apiVersion, subresource, time, fields }) => ({
      manager: name,
      operation,
      apiVersion,
      ...(time === undefined ? {} : { time }),
      fieldsType: 'FieldsV1',
      fieldsV1: toFieldsV1(fields),
      ...(subresource ? { subresource } : {}),
    }))
}

export const minus = (fields: FieldSet, other: { has(key: string): boolean }): FieldSet =>
  new Map([...fields].filter(([key]) => !other.has(key)))

/** All that any of them owns. */
export function ownedByAny(managers: readonly Manager[]): { has(key: string): boolean } {
  return { has: (key) => managers.some(({ fields }) => fields.has(key)) }
}

export const union = (a: FieldSet, b: FieldSet): FieldSet => new Map([...a, ...b])

export interface UpdateInfo {
  readonly schema: Schema
  /** Undefined for a new object. */
  readonly previous: object | undefined
  /** What will be stored. */
  readonly next: object
  readonly entries: readonly ManagedFieldsEntry[] | undefined
  readonly manager: string
  readonly apiVersion: string
  readonly subresource: string
  /** RFC 3339. */
  readonly time: string
}

/**
 * metadata.managedFields after a create, update or patch that isn't an apply: what it changed or added is its manager's
 * alone, what it removed is nobody's. An update that changes nothing leaves them as they are.
 */
export function managedFieldsAfterUpdate(info: UpdateInfo): ManagedFieldsEntry[] {
  const { schema, previous, next, entries, manager, apiVersion, subresource, time } = info
  const before: FieldSet = previous ? fieldsOf(schema, previous, { withParents: true }) : new Map()
  const after = fieldsOf(schema, next, { withParents: true })
  const changed: FieldSet = new Map([...after].filter(([key, { value }]) => !before.has(key) || !deepEqual(before.get(key)?.value, value)))
  const removed = minus(before, after)
  if (changed.size === 0 && removed.size === 0) return [...(entries ?? [])]
  const identity = { name: manager, operation: 'Update' as const, apiVersion, subresource }
  const managers = readManagers(entries)
  const own = managers.find((other) => sameManager(other, identity))
  const others = managers
    .filter((other) => other !== own)
    .map((other) => ({ ...other, fields: minus(minus(other.fields, changed), removed) }))
  const ownFields = union(minus(own?.fields ?? new Map(), removed), changed)
  const entry: Manager = { ...identity, time: changed.size > 0 ? time : (own?.time ?? time), fields: ownFields }
  return writeManagers(withinLimit([...others, entry]))
}

/** Updates by more programs than this are no longer told apart: the oldest count as one, as upstream. */
const maxUpdaters = 10

function withinLimit(managers: readonly Manager[]): Manager[] {
  const updaters = managers.filter(({ operation, fields }) => operation === 'Update' && fields.size > 0)
  if (updaters.length <= maxUpdaters) return [...managers]
  const oldestFirst = updaters.sort((a, b) => (a.time ?? '').localeCompare(b.time ?? ''))
  const merged = new Set(oldestFirst.slice(0, updaters.length - maxUpdaters + 1))
  const kept = managers.filter((manager) => !merged.has(manager))
  for (const { apiVersion, subresource, time, fields } of merged) {
    const identity = { name: 'ancient-changes', operation: 'Update' as const, apiVersion, subresource }
    const at = kept.findIndex((manager) => sameManager(manager, identity))
    if (at < 0) kept.push({ ...identity, time, fields })
    else kept[at] = { ...identity, time, fields: union((kept[at] as Manager).fields, fields) }
  }
  return kept
}
