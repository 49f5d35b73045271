import { deepEqual, isObject } from '../equality.ts'
import type { KubeObject, ManagedFieldsEntry } from '../object.ts'
import type { Schema } from '../schema.ts'
import { applyConflicts, badRequest, type StatusError } from '../status.ts'
import { inheritedFields, keepLastApplied } from './client-side-apply.ts'
import { type FieldSet, fieldsOf, keyOf, type Path, printPath } from './field-set.ts'
import { type Manager, minus, ownedByAny, readManagers, sameManager, withFields, writeManagers } from './managed-fields.ts'
import { mergeApplied, withoutFields } from './merge-applied.ts'

export interface ApplyInfo {
  readonly schema: Schema
  /** As stored, with its managedFields; undefined if there is none yet. */
  readonly live: KubeObject | undefined
  /** The configuration, decoded by the schema. */
  readonly applied: object
  readonly manager: string
  /** Take over what others own instead of failing. */
  readonly force: boolean
  readonly apiVersion: string
  /** '' for the object itself, or `status`. */
  readonly subresource: string
  /** RFC 3339. */
  readonly time: string
}

/** Owns what stood in an object before anybody kept count. */
const beforeFirstApply = 'before-first-apply'

interface Conflict {
  readonly manager: Manager
  readonly path: Path
}

/**
 * Server-side apply (https://kubernetes.io/docs/reference/using-api/server-side-apply/): the live object with the
 * configuration merged in, without what the manager applied before and now leaves out, and with managedFields that say so.
 * Defaults and checks are still to come. Throws 409 with a cause for each field that another manager owns with another
 * value, unless `force`; 400 for a configuration with managedFields of its own. Changes no argument.
 */
export function applyConfiguration(info: ApplyInfo): object {
  const { schema, live, applied, apiVersion, subresource } = info
  const metadata = (applied as { metadata?: unknown }).metadata
  if (isObject(metadata) && metadata.managedFields !== undefined) throw badRequest('metadata.managedFields must be nil')
  const identity = { name: info.manager, operation: 'Apply' as const, apiVersion, subresource }
  const managers = managersOf(info)
  const own = managers.find((manager) => sameManager(manager, identity))
  const others = managers.filter((manager) => manager !== own)

  const fields = fieldsOf(schema, applied, { withParents: false })
  const liveFields: FieldSet = live ? fieldsOf(schema, live, { withParents: true }) : new Map()
  const differing: FieldSet = new Map(
    [...fields].filter(([key, { value }]) => !liveFields.has(key) || !deepEqual(liveFields.get(key)?.value, value)),
  )
  const conflicts = others.flatMap((manager) => conflictsOf(manager, differing))
  if (conflicts.length > 0 && !info.force) {
    const inherited = inheritedFields(schema, live, info.manager, liveFields)
    const open = conflicts.filter(({ path }) => !inherited.has(keyOf(path)))
    if (open.length > 0) throw applyConflict(open)
  }

  const remaining = others.map((manager) => withFields(manager, minus(manager.fields, differing)))
  const abandoned = own ? minus(minus(own.fields, fields), ownedByAny(remaining)) : new Map()
  const merged = mergeApplied(schema, undefined, live ?? {}, applied)
  const result = withoutFields(schema, undefined, merged, goneUnless(abandoned, remaining, fields)) as Record<string, unknown>
  keepLastApplied(result, applied, info.manager)

  const unchanged = own && live && sameKeys(own.fields, fields) && deepEqual(withoutManagers(result), withoutManagers(live))
  const entry: Manager = { ...identity, time: unchanged ? own.time : info.time, fields }
  return withManagers(result, writeManagers([...remaining, entry]))
}

function managersOf({ schema, live, apiVersion, time }: ApplyInfo): Manager[] {
  const managers = readManagers(live?.metadata.managedFields)
  if (!live || managers.length > 0) return managers
  const fields = fieldsOf(schema, live, { withParents: true })
  return [{ name: beforeFirstApply, operation: 'Update', apiVersion, subresource: '', time, fields }]
}

/** Adding a field that the other merely lists as a parent (a map, an item) is no conflict; a value of its own is. */
function conflictsOf(manager: Manager, differing: FieldSet): Conflict[] {
  return [...differing]
    .filter(([key, { value }]) => value !== undefined && manager.fields.has(key))
    .map(([, { path }]) => ({ manager, path }))
}

/**
 * What is abandoned goes, unless somebody owns a field within it.
 */
function goneUnless(abandoned: FieldSet, others: readonly Manager[], fields: FieldSet): (key: string) => boolean {
  const owned = [...others.flatMap((manager) => [...manager.fields.keys()]), ...fields.keys()]
  const gone = new Set([...abandoned.keys()].filter((key) => !owned.some((other) => other.startsWith(`${key}\u0000`))))
  return (key) => gone.has(key)
}

function sameKeys(a: FieldSet, b: FieldSet): boolean {
  return a.size === b.size && [...a.keys()].every((key) => b.has(key))
}

function withoutManagers(object: object): object {
  const { metadata, ...rest } = object as { metadata?: Record<string, unknown> }
  return { ...rest, metadata: { ...metadata, managedFields: undefined } }
}

function withManagers(object: Record<string, unknown>, managedFields: ManagedFieldsEntry[]): object {
  return { ...object, metadata: { ...(object.metadata as object | undefined), managedFields } }
}

/** `"kubectl-edit" using apps/v1 at 2026-01-01T00:00:00Z`. */
function printManager({ name, operation, apiVersion, subresource, time }: Manager): string {
  const named = `${JSON.stringify(name)}${subresource ? ` with subresource ${JSON.stringify(subresource)}` : ''}`
  if (operation === 'Apply') return named
  return `${named} using ${apiVersion}${time ? ` at ${time}` : ''}`
}

function applyConflict(conflicts: readonly Conflict[]): StatusError {
  const [first] = conflicts
  const causes = conflicts.map(({ manager, path }) => ({
    reason: 'FieldManagerConflict',
    message: `conflict with ${printManager(manager)}`,
    field: printPath(path),
  }))
  const byManager = Map.groupBy(conflicts, ({ manager }) => printManager(manager))
  const listed = [...byManager].flatMap(([manager, items]) => [
    `conflicts with ${manager}:`,
    ...items.map(({ path }) => `- ${printPath(path)}`),
  ])
  const message =
    conflicts.length === 1 && first
      ? `Apply failed with 1 conflict: conflict with ${printManager(first.manager)}: ${printPath(first.path)}`
      : `Apply failed with ${conflicts.length} conflicts: ${listed.join('\n')}`
  return applyConflicts(message, causes)
}
