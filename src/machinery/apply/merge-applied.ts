import { deepCopy, isObject, ownValue, setKey } from '../equality.ts'
import { inElementOrder } from '../patch/element-order.ts'
import type { Field, Schema } from '../schema.ts'
import { childOf, itemStep, keyOf, mergingOf, type Path, valueStep } from './field-set.ts'

/** What applying makes of the live value: lists and maps merge as the schema says, all else is the applied value. */
export function mergeApplied(schema: Schema, field: Field | undefined, live: unknown, applied: unknown): unknown {
  const merging = mergingOf(schema, field)
  if (merging.by === 'fields' && isObject(live) && isObject(applied)) {
    const merged: Record<string, unknown> = { ...live }
    for (const name of Object.keys(applied)) {
      const child = childOf(schema, name)
      const value = applied[name]
      setKey(merged, name, child ? mergeApplied(child.schema, child.field, ownValue(live, name), value) : deepCopy(value))
    }
    return merged
  }
  if (merging.by === 'whole' || !Array.isArray(live) || !Array.isArray(applied)) return deepCopy(applied)
  const stepOf = (item: unknown): string => (merging.by === 'keys' ? itemStep(item, merging.keys, schema.items) : valueStep(item))
  const known = new Map<string, unknown>(live.map((item) => [stepOf(item), item]))
  for (const item of applied) {
    const step = stepOf(item)
    const current = known.get(step)
    const merges = current !== undefined && merging.by === 'keys' && schema.items
    known.set(step, merges ? mergeApplied(schema.items as Schema, undefined, current, item) : deepCopy(item))
  }
  return inElementOrder([...known.values()], applied, live, stepOf)
}

/**
 * Takes fields out of a value: those whose path is to go. A list item goes as a whole; a map or object that this
 * empties goes with it. Returns undefined where nothing is left.
 */
export function withoutFields(
  schema: Schema,
  field: Field | undefined,
  value: unknown,
  gone: (key: string) => boolean,
  path: Path = [],
): unknown {
  if (path.length > 0 && gone(keyOf(path))) return undefined
  const merging = mergingOf(schema, field)
  if (merging.by === 'fields' && isObject(value)) {
    const names = Object.keys(value)
    const result: Record<string, unknown> = {}
    for (const name of names) {
      const child = childOf(schema, name)
      const kept = child ? withoutFields(child.schema, child.field, value[name], gone, [...path, `f:${name}`]) : value[name]
      if (kept !== undefined) setKey(result, name, kept)
    }
    return names.length > 0 && Object.keys(result).length === 0 && path.length > 0 ? undefined : result
  }
  if (merging.by === 'whole' || merging.by === 'fields' || !Array.isArray(value)) return value
  const kept = value.flatMap((item): unknown[] => {
    if (merging.by === 'items') return gone(keyOf([...path, valueStep(item)])) ? [] : [item]
    const itemPath = [...path, itemStep(item, merging.keys, schema.items)]
    if (gone(keyOf(itemPath))) return []
    const rest = withoutFields(schema.items as Schema, undefined, item, gone, itemPath)
    return [withKeysOf(item, rest, merging.keys)]
  })
  return value.length > 0 && kept.length === 0 ? undefined : kept
}

/** An item that stays, as others own a part of it, keeps the keys that tell which item it is. */
function withKeysOf(item: unknown, rest: unknown, keys: readonly string[]): unknown {
  if (!isObject(item)) return item
  const named = Object.entries(item).filter(([name]) => keys.includes(name))
  return { ...Object.fromEntries(named), ...(isObject(rest) ? rest : {}) }
}
