import { isObject, ownValue, setKey } from '../equality.ts'
import type { Field, Schema } from '../schema.ts'

/**
 * One step of a path, as fieldsV1 writes it: `f:name` a field or key, `k:{"name":"a"}` the item of a list with these
 * keys, `v:"a"` the item of a set
 * (https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/#System, FieldsV1).
 */
export type Step = string
export type Path = readonly Step[]

/** Fields by their path's key; for fields of a given object, with what stands there. */
export type FieldSet = ReadonlyMap<string, { readonly path: Path; readonly value?: unknown }>

/** Steps are JSON or names: neither holds a zero character that isn't escaped. */
export const keyOf = (path: Path): string => path.join('\u0000')
const within = (key: string, step: Step): string => (key === '' ? step : `${key}\u0000${step}`)

/** How a value merges: as one, by its fields or keys, or by its items. */
export type Merging =
  | { readonly by: 'whole' }
  | { readonly by: 'fields' }
  | { readonly by: 'keys'; readonly keys: readonly string[] }
  | { readonly by: 'items' }

const whole: Merging = { by: 'whole' }
const byFields: Merging = { by: 'fields' }
const byItems: Merging = { by: 'items' }

export function mergingOf(schema: Schema, field: Field | undefined): Merging {
  switch (schema.type) {
    case 'object':
    case 'map':
      return (field?.mapType ?? (schema.atomic ? 'atomic' : 'granular')) === 'atomic' ? whole : byFields
    case 'array':
      if (field?.listType === 'map' && field.listMapKeys) return { by: 'keys', keys: field.listMapKeys }
      return field?.listType === 'set' ? byItems : whole
    default:
      return whole
  }
}

/** The schema of a child of an object or map, and its field if it is one; undefined for what the schema doesn't know. */
export function childOf(schema: Schema, name: string): { schema: Schema; field: Field | undefined } | undefined {
  if (schema.type === 'map') return schema.items && { schema: schema.items, field: undefined }
  const field = schema.fields?.get(name)
  return field && { schema: field.schema, field }
}

/** The step to an item of a list that merges by keys; an absent key counts as its default. */
export function itemStep(item: unknown, keys: readonly string[], items: Schema | undefined): Step {
  const named: Record<string, unknown> = {}
  for (const key of [...keys].sort()) {
    const value = isObject(item) ? ownValue(item, key) : undefined
    const known = value ?? items?.fields?.get(key)?.keyDefault
    if (known !== undefined) named[key] = known
  }
  return `k:${JSON.stringify(named)}`
}

export const valueStep = (item: unknown): Step => `v:${JSON.stringify(item)}`

/** Fields that no manager owns: the server's own, and those that say which object it is. */
const unowned = new Set(
  [
    ['f:apiVersion'],
    ['f:kind'],
    ...['name', 'namespace', 'creationTimestamp', 'selfLink', 'uid', 'generation', 'managedFields', 'resourceVersion'].map((name) => [
      'f:metadata',
      `f:${name}`,
    ]),
  ].map(keyOf),
)

/**
 * The fields that an object sets. `withParents` counts maps and lists among them too, as ownership by Update does;
 * applying owns only what it names.
 */
export function fieldsOf(schema: Schema, value: unknown, options: { withParents: boolean }): FieldSet {
  const found = new Map<string, { path: Path; value?: unknown }>()
  const visit = (at: Schema, field: Field | undefined, current: unknown, path: Path, key: string): void => {
    if (unowned.has(key)) return
    const merging = mergingOf(at, field)
    const add = (): void => void found.set(key, { path, value: merging.by === 'whole' ? current : undefined })
    if (merging.by === 'fields' && isObject(current)) {
      const names = Object.keys(current)
      if (path.length > 0 && (names.length === 0 || (options.withParents && at.type === 'map'))) add()
      for (const name of names) {
        const child = childOf(at, name)
        if (child) visit(child.schema, child.field, current[name], [...path, `f:${name}`], within(key, `f:${name}`))
      }
      return
    }
    if (merging.by !== 'whole' && Array.isArray(current)) {
      if (options.withParents || current.length === 0) add()
      for (const item of current) {
        const step = merging.by === 'keys' ? itemStep(item, merging.keys, at.items) : valueStep(item)
        const itemPath = [...path, step]
        const itemKey = within(key, step)
        found.set(itemKey, { path: itemPath })
        if (merging.by === 'keys' && at.items && !at.items.atomic) visit(at.items, undefined, item, itemPath, itemKey)
        else if (merging.by === 'keys') found.set(itemKey, { path: itemPath, value: item })
      }
      return
    }
    add()
  }
  visit(schema, undefined, value, [], '')
  return found
}

type Trie = Record<string, unknown>

/** fieldsV1: a trie of steps; `.` marks a field that is in the set itself where it has children in it too. */
export function toFieldsV1(fields: FieldSet): Trie {
  const root: Trie = {}
  for (const { path } of fields.values()) {
    let node = root
    for (const step of path) {
      const next = ownValue(node, step)
      if (isObject(next)) node = next
      else {
        const made: Trie = {}
        setKey(node, step, made)
        node = made
      }
    }
    if (path.length > 0) node['.'] = {}
  }
  for (const node of Object.values(root)) dropLoneMarks(node as Trie)
  return root
}

function dropLoneMarks(node: Trie): void {
  const steps = Object.keys(node)
  if (steps.length === 1 && steps[0] === '.') delete node['.']
  else for (const step of steps) if (step !== '.') dropLoneMarks(node[step] as Trie)
}

/** The inverse of {@link toFieldsV1}. What is no fieldsV1 is an empty set: clients may have written it. */
export function fromFieldsV1(trie: unknown): FieldSet {
  const found = new Map<string, { path: Path }>()
  const visit = (node: unknown, path: Path): void => {
    if (!isObject(node)) return
    const steps = Object.keys(node).filter((step) => step !== '.')
    if (path.length > 0 && (steps.length === 0 || '.' in node)) found.set(keyOf(path), { path })
    for (const step of steps) visit(node[step], [...path, step])
  }
  visit(trie, [])
  return found
}

/** As messages name fields: `.spec.template.spec.containers[name="web"].image`. */
export function printPath(path: Path): string {
  return path.map(printStep).join('')
}

function printStep(step: Step): string {
  const text = step.slice(2)
  if (step.startsWith('k:')) {
    const keys = Object.entries(JSON.parse(text) as Record<string, unknown>)
    return `[${keys.map(([key, value]) => `${key}=${JSON.stringify(value)}`).join(',')}]`
  }
  return step.startsWith('v:') ? `[=${text}]` : `.${text}`
}
