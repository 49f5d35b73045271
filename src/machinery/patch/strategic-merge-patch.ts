import { deepCopy, isObject, ownValue, setKey } from '../equality.ts'
import type { Field, Schema } from '../schema.ts'
import { badRequest } from '../status.ts'
import { inElementOrder } from './element-order.ts'

type Fields = Record<string, unknown>

const directive = '$patch'
const retainKeys = '$retainKeys'
const deletePrefix = '$deleteFromPrimitiveList/'
const orderPrefix = '$setElementOrder/'

/**
 * Strategic merge patch: as a merge patch, but lists whose field says so merge item by item, and directives in the
 * patch say what else to do
 * (https://github.com/kubernetes/community/blob/master/contributors/devel/sig-api-machinery/strategic-merge-patch.md).
 * Throws 400 for a patch that breaks its rules. Changes neither argument.
 */
export function strategicMergePatch(schema: Schema, target: object, patch: unknown): object {
  if (!isObject(patch)) throw badRequest('cannot unmarshal the patch: it must be an object')
  return mergeObject(schema, target as Fields, patch)
}

function fieldOf(schema: Schema | undefined, name: string): Pick<Field, 'patchMergeKey' | 'patchStrategy'> & { schema?: Schema } {
  if (schema?.type === 'map') return schema.items ? { schema: schema.items } : {}
  return schema?.fields?.get(name) ?? {}
}

/** `schema` is undefined below fields that it doesn't know: objects merge there, lists are replaced. */
function mergeObject(schema: Schema | undefined, target: Fields, patch: Fields): Fields {
  const wanted = ownValue(patch, directive)
  if (wanted === 'replace') return withoutDirectives({ ...patch }) as Fields
  if (wanted === 'delete') return {}
  if (wanted !== undefined && wanted !== 'merge') {
    throw badRequest(`Invalid value for patch directive: '${String(wanted)}' in map[${Object.keys(patch).join(' ')}]`)
  }
  const result = retained(target, patch)
  mergeLists(schema, result, patch)
  for (const key of Object.keys(patch)) {
    if (key === directive || key === retainKeys || key.startsWith(deletePrefix) || key.startsWith(orderPrefix)) continue
    const change = patch[key]
    if (change === null) {
      delete result[key]
      continue
    }
    const current = ownValue(result, key)
    if (Array.isArray(change) && Array.isArray(current) && mergesList(fieldOf(schema, key))) continue
    setKey(result, key, mergeValue(fieldOf(schema, key), current, change))
  }
  return result
}

function mergeValue(field: ReturnType<typeof fieldOf>, current: unknown, change: unknown): unknown {
  const replaces = field.patchStrategy?.includes('replace') === true
  if (!isObject(change) || !isObject(current) || replaces) return withoutDirectives(change)
  return mergeObject(field.schema, current, change)
}

function mergesList(field: ReturnType<typeof fieldOf>): boolean {
  return field.patchStrategy?.includes('merge') === true
}

/** $retainKeys: what it doesn't list goes; what the patch sets must be listed. */
function retained(target: Fields, patch: Fields): Fields {
  const keep = ownValue(patch, retainKeys)
  if (keep === undefined) return { ...target }
  if (!Array.isArray(keep)) throw badRequest('invalid patch format of retainKeys')
  const unlisted = Object.keys(patch).find((key) => !key.startsWith('$') && patch[key] !== null && !keep.includes(key))
  if (unlisted !== undefined) throw badRequest('invalid patch format of retainKeys')
  return Object.fromEntries(Object.entries(target).filter(([key]) => keep.includes(key)))
}

/** Merges the lists that the patch changes, cuts or orders, in place; other fields are left to the caller. */
function mergeLists(schema: Schema | undefined, result: Fields, patch: Fields): void {
  const names = new Set<string>()
  for (const key of Object.keys(patch)) {
    if (key.startsWith(deletePrefix)) names.add(key.slice(deletePrefix.length))
    else if (key.startsWith(orderPrefix)) names.add(key.slice(orderPrefix.length))
    else if (Array.isArray(patch[key])) names.add(key)
  }
  for (const name of names) {
    const field = fieldOf(schema, name)
    const current = ownValue(result, name)
    const cut = listDirective(patch, `${deletePrefix}${name}`, 'invalid patch format of primitive list')
    const order = listDirective(patch, `${orderPrefix}${name}`, 'invalid patch format of setElementOrder list')
    if (!Array.isArray(current)) continue
    if (!mergesList(field) && !cut) continue
    const change = ownValue(patch, name)
    if (change === null || (change !== undefined && !Array.isArray(change))) continue
    setKey(result, name, mergeList(name, field, cut ? current.filter((item) => !cut.includes(item)) : current, change ?? [], order))
  }
}

function listDirective(patch: Fields, key: string, message: string): unknown[] | undefined {
  const list = ownValue(patch, key)
  if (list === undefined || list === null) return undefined
  if (!Array.isArray(list)) throw badRequest(message)
  return list
}

function mergeList(
  name: string,
  field: ReturnType<typeof fieldOf>,
  current: unknown[],
  change: unknown[],
  order: unknown[] | undefined,
): unknown[] {
  const all = [...current, ...change, ...(order ?? [])]
  if (all.some(Array.isArray)) throw badRequest('lists of lists are not supported')
  if (!all.some(isObject)) {
    const merged = [...new Set([...current, ...change])]
    return inElementOrder(merged, order ?? change, current, String)
  }
  if (!all.every(isObject)) throw badRequest(`list element types are not identical: ${name}`)
  const { patchMergeKey: mergeKey } = field
  if (mergeKey === undefined) throw badRequest(`cannot merge lists without merge key for ${name}`)
  return mergeItems(mergeKey, field.schema?.items, current as Fields[], change as Fields[], order as Fields[] | undefined)
}

function mergeItems(
  mergeKey: string,
  schema: Schema | undefined,
  current: Fields[],
  change: Fields[],
  order: Fields[] | undefined,
): Fields[] {
  const keyOf = (item: Fields): string => {
    const key = ownValue(item, mergeKey)
    if (key === undefined) throw badRequest(`map: ${JSON.stringify(item)} does not contain declared merge key: ${mergeKey}`)
    return `${typeof key}:${String(key)}`
  }
  const changes = change.filter((item) => item[directive] === undefined || item[directive] === 'merge')
  if (change.some((item) => item[directive] === 'replace')) return changes.map((item) => withoutDirectives(item) as Fields)

  const removed = new Set<string>()
  for (const item of change) {
    if (item[directive] === 'delete') removed.add(keyOf(item))
    else if (item[directive] !== undefined && item[directive] !== 'merge') {
      throw badRequest(`Invalid value for patch directive: '${String(item[directive])}' in ${mergeKey}`)
    }
  }
  const merged = current.filter((item) => !removed.has(keyOf(item)))
  for (const item of changes) {
    const at = merged.findIndex((existing) => keyOf(existing) === keyOf(item))
    if (at < 0) merged.push(withoutDirectives(item) as Fields)
    else merged[at] = mergeObject(schema, merged[at] as Fields, item)
  }
  if (order) checkOrder(changes, order, keyOf)
  return inElementOrder(merged, order ?? changes, current, keyOf)
}

/** What a patch changes, its order list must name, in the same order. */
function checkOrder(changes: readonly Fields[], order: readonly Fields[], keyOf: (item: Fields) => string): void {
  let position = -1
  for (const item of changes) {
    const found = order.findIndex((ordered, index) => index > position && keyOf(ordered) === keyOf(item))
    if (found < 0) throw badRequest(`The order in patch list doesn't match ${orderPrefix} list: ${keyOf(item)}`)
    position = found
  }
}

/**
 * A patch's value where there is nothing to merge it into: directives have done their work, items to be deleted are not
 * there, and null sets nothing.
 */
function withoutDirectives(value: unknown): unknown {
  if (Array.isArray(value)) {
    const items = value.filter((item) => !isObject(item) || (item[directive] !== 'delete' && !isBareReplace(item)))
    return items.map(withoutDirectives)
  }
  if (!isObject(value)) return deepCopy(value)
  const result: Fields = {}
  for (const key of Object.keys(value)) {
    if (value[key] === null || key === directive || key === retainKeys || key.startsWith(deletePrefix) || key.startsWith(orderPrefix))
      continue
    setKey(result, key, withoutDirectives(value[key]))
  }
  return result
}

/** `{$patch: replace}` alone in a list speaks of the list. */
function isBareReplace(item: Fields): boolean {
  return item[directive] === 'replace' && Object.keys(item).length === 1
}
