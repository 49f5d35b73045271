import { deepEqual, isObject, ownValue, setKey } from '../equality.ts'
import type { ManagedFieldsEntry } from '../object.ts'
import type { Schema } from '../schema.ts'
import { childOf, type FieldSet, fieldsOf, fromFieldsV1, type Path, toFieldsV1 } from './field-set.ts'

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
  return (entries ?? []).map(readManager)
}

/** Its fields are taken apart when they are first asked for. */
function readManager(entry: ManagedFieldsEntry): Manager & { readonly entry: ManagedFieldsEntry } {
  let fields: FieldSet | undefined
  return {
    entry,
    name: entry.manager ?? '',
    operation: entry.operation === 'Apply' ? 'Apply' : 'Update',
    apiVersion: entry.apiVersion ?? '',
    subresource: entry.subresource ?? '',
    time: entry.time,
    get fields() {
      fields ??= fromFieldsV1(entry.fieldsV1)
      return fields
    },
  }
}

/** The same manager, owning these. */
export function withFields({ name, operation, apiVersion, subresource, time }: Manager, fields: FieldSet): Manager {
  return { name, operation, apiVersion, subresource, time, fields }
}

const compared = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** Managers that own nothing are left out; those that apply come first, then the older ones. */
export function writeManagers(managers: readonly (Manager & { readonly entry?: ManagedFieldsEntry })[]): ManagedFieldsEntry[] {
  const order = (a: Manager, b: Manager): number =>
    compared(a.operation, b.operation) || compared(a.time ?? '', b.time ?? '') || compared(a.name, b.name)
  return managers
    .filter(({ entry, fields }) => entry !== undefined || fields.size > 0)
    .sort(order)
    .map((manager) => manager.entry ?? writeManager(manager))
}

function writeManager({ name, operation, apiVersion, subresource, time, fields }: Manager): ManagedFieldsEntry {
  return {
    manager: name,
    operation,
    apiVersion,
    ...(time === undefined ? {} : { time }),
    fieldsType: 'FieldsV1',
    fieldsV1: toFieldsV1(fields),
    ...(subresource ? { subresource } : {}),
  }
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
  const { schema, entries, manager, apiVersion, subresource, time } = info
  const [previous, next] = info.previous ? differing(schema, info.previous, info.next) : [undefined, info.next]
  const before: FieldSet = previous ? fieldsOf(schema, previous, { withParents: true }) : new Map()
  const after = fieldsOf(schema, next, { withParents: true })
  const isNew = (key: string, value: unknown): boolean => !before.has(key) || !deepEqual(before.get(key)?.value, value)
  const changed: FieldSet = before.size === 0 ? after : new Map([...after].filter(([key, { value }]) => isNew(key, value)))
  const removed = minus(before, after)
  if (changed.size === 0 && removed.size === 0) return [...(entries ?? [])]
  const identity = { name: manager, operation: 'Update' as const, apiVersion, subresource }
  const touched = [...changed.values(), ...removed.values()].map(({ path }) => path)
  const others: Manager[] = []
  let own: Manager | undefined
  for (const entry of entries ?? []) {
    const other = readManager(entry)
    if (sameManager(other, identity)) own = other
    else if (!touched.some((path) => reaches(entry.fieldsV1, path))) others.push(other)
    else others.push(withFields(other, minus(minus(other.fields, changed), removed)))
  }
  const ownFields = own ? union(minus(own.fields, removed), changed) : changed
  const entry: Manager = { ...identity, time: changed.size > 0 ? time : (own?.time ?? time), fields: ownFields }
  return writeManagers(withinLimit([...others, entry]))
}

type Fields = Readonly<Record<string, unknown>>

/**
 * Both objects without what is the same in both, as far as their fields go (not into maps and lists): most writes change
 * little of an object, and what stays need not be taken apart.
 */
function differing(schema: Schema, before: object, after: object): [Fields, Fields] {
  const [a, b] = [before as Fields, after as Fields]
  const left: Record<string, unknown> = {}
  const right: Record<string, unknown> = {}
  for (const name of new Set([...Object.keys(a), ...Object.keys(b)])) {
    const [one, other] = [ownValue(a, name), ownValue(b, name)]
    if (deepEqual(one, other)) continue
    const child = childOf(schema, name)?.schema
    const within = child?.type === 'object' && !child.atomic && isObject(one) && isObject(other)
    const [less, more] = within ? differing(child, one, other) : [one, other]
    if (isSet(one, less)) setKey(left, name, less)
    if (isSet(other, more)) setKey(right, name, more)
  }
  return [left, right]
}

/** What is only emptied by the comparison is no empty object. */
function isSet(whole: unknown, less: unknown): boolean {
  const emptied = isObject(less) && Object.keys(less).length === 0 && less !== whole && Object.keys(whole as Fields).length > 0
  return whole !== undefined && !emptied
}

/** Whether a fieldsV1 has anything to say at the path. */
function reaches(fieldsV1: unknown, path: Path): boolean {
  let node = fieldsV1
  for (const step of path) {
    node = isObject(node) ? ownValue(node, step) : undefined
    if (node === undefined) return false
  }
  return true
}

/** Updates by more programs than this are no longer told apart: the oldest count as one, as upstream. */
const maxUpdaters = 10

function withinLimit(managers: readonly Manager[]): Manager[] {
  if (managers.length <= maxUpdaters) return [...managers]
  const updaters = managers.filter(({ operation, fields }) => operation === 'Update' && fields.size > 0)
  if (updaters.length <= maxUpdaters) return [...managers]
  const oldestFirst = updaters.sort((a, b) => compared(a.time ?? '', b.time ?? ''))
  const merged = new Set(oldestFirst.slice(0, updaters.length - maxUpdaters + 1))
  const kept = managers.filter((manager) => !merged.has(manager))
  for (const { apiVersion, subresource, time, fields } of merged) {
    const identity = { name: 'ancient-changes', operation: 'Update' as const, apiVersion, subresource }
    const at = kept.findIndex((manager) => sameManager(manager, identity))
    if (at < 0) kept.push({ ...identity, time, fields })
    else kept[at] = withFields({ ...identity, time, fields }, union((kept[at] as Manager).fields, fields))
  }
  return kept
}
