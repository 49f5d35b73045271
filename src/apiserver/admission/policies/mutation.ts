import type { Kind } from '../../../api/kind.ts'
import { childOf, mergingOf } from '../../../machinery/apply/field-set.ts'
import { mergeApplied } from '../../../machinery/apply/merge-applied.ts'
import { Steps } from '../../../machinery/cel/budget.ts'
import { ListValue, MapValue, shownKey, toJson, type Value } from '../../../machinery/cel/values.ts'
import { decodeObject } from '../../../machinery/decode.ts'
import { isObject } from '../../../machinery/equality.ts'
import { apiVersionOf } from '../../../machinery/group-version.ts'
import type { KubeObject } from '../../../machinery/object.ts'
import { jsonPatch } from '../../../machinery/patch/json-patch.ts'
import type { Field, Schema } from '../../../machinery/schema.ts'
import { StatusError } from '../../../machinery/status.ts'
import type { CompiledMutation } from './compiled-policy.ts'

/** What an expression came to cannot be done to the object. */
export class MutationError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'MutationError'
  }
}

/** The object as the mutation makes it; `made` is what its expression came to. Throws {@link MutationError}, and CostExceededError. */
export function mutated(kind: Kind, object: KubeObject, patchType: CompiledMutation['patchType'], made: Value): KubeObject {
  const form = kind.storedAs
  const before = form ? form.fromStored(structuredClone(object)) : object
  const patched = patchType === 'JSONPatch' ? patchedBy(before, made) : appliedTo(kind, before, made)
  const after = typed(kind, patched)
  const result = form ? form.toStored(after) : after
  kind.setDefaults(result)
  checkIdentity(object, result)
  return result
}

function typed(kind: Kind, value: unknown): KubeObject {
  try {
    const { object } = decodeObject<KubeObject>(kind.schema, value, { fieldValidation: 'Strict' })
    return { ...object, apiVersion: apiVersionOf(kind), kind: kind.kind }
  } catch (error) {
    if (error instanceof StatusError) throw new MutationError(error.message)
    throw error
  }
}

/** Where an object lies is settled when its mutation begins. */
function checkIdentity({ metadata: before }: KubeObject, { metadata: after }: KubeObject): void {
  for (const field of ['name', 'namespace', 'uid'] as const) {
    if (before[field] !== after?.[field]) throw new MutationError(`metadata.${field} must not be changed by a mutation`)
  }
}

function patchedBy(object: KubeObject, made: Value): unknown {
  const operations = made instanceof ListValue ? [...made] : []
  for (const operation of operations) {
    const value = operation instanceof MapValue ? operation.get('value') : undefined
    if (value instanceof MapValue && value.structName !== undefined) checkNames(value, value.structName)
  }
  try {
    return jsonPatch(
      object,
      operations.map((operation) => toJson(operation)),
    )
  } catch (error) {
    if (!(error instanceof StatusError)) throw error
    const why = error.status.details?.causes?.[0]?.message ?? error.message
    // A test that fails means that there is nothing to do.
    if (why.endsWith('test failed')) return object
    throw new MutationError(`JSON Patch: ${why}`)
  }
}

function appliedTo(kind: Kind, object: KubeObject, made: Value): unknown {
  checkNames(made, 'Object')
  const { apiVersion, kind: name } = object
  const configuration = { ...(toJson(made) as object), apiVersion, kind: name }
  const unknown = unknownIn(kind.schema, configuration)
  if (unknown !== undefined) {
    throw new MutationError(
      `error applying patch: failed to convert patch object to typed object: ${unknown}: field not declared in schema`,
    )
  }
  const atomics = atomicsOf(kind.schema, undefined, configuration)
  if (atomics.length > 0) {
    throw new MutationError(
      `error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: ${atomics.join(', ')}`,
    )
  }
  return mergeApplied(kind.schema, undefined, object, configuration)
}

/** `Object.spec{…}` stands where its name says. */
function checkNames(value: Value, path: string, steps = new Steps()): void {
  steps.take()
  if (value instanceof ListValue) for (const item of value) checkNames(item, path, steps)
  if (!(value instanceof MapValue)) return
  const { structName } = value
  if (structName !== undefined && structName !== path) {
    const expected = `${JSON.stringify(path)}, which matches field name path from root Object type`
    throw new MutationError(`type mismatch: unexpected type name ${JSON.stringify(structName)}, expected ${expected}`)
  }
  for (const [key, item] of value.entries()) checkNames(item, structName === undefined ? path : `${path}.${shownKey(key)}`, steps)
}

/** The path of the first field that there is none of. */
function unknownIn(schema: Schema, value: unknown, path = ''): string | undefined {
  const children: readonly (readonly [step: string, schema: Schema | undefined, value: unknown])[] = Array.isArray(value)
    ? value.map((item, index) => [`[${index}]`, schema.items, item])
    : isObject(value) && (schema.type === 'map' || schema.fields)
      ? Object.entries(value).map(([name, item]) => [`.${name}`, childOf(schema, name)?.schema, item])
      : []
  for (const [step, inner, item] of children) {
    const found = inner ? unknownIn(inner, item, path + step) : path + step
    if (found !== undefined) return found
  }
  return undefined
}

/** Where a configuration would set anew as a whole what it may have meant to change a part of. */
function atomicsOf(schema: Schema, field: Field | undefined, value: unknown, path = ''): string[] {
  const isWhole = mergingOf(schema, field).by === 'whole'
  if (Array.isArray(value)) {
    const items = schema.items
    const inner = items ? value.flatMap((item, index) => atomicsOf(items, undefined, item, `${path}[${index}]`)) : []
    return isWhole && schema.type === 'array' ? [path, ...inner] : inner
  }
  if (!isObject(value)) return []
  const inner = Object.entries(value).flatMap(([name, item]) => {
    const child = childOf(schema, name)
    return child ? atomicsOf(child.schema, child.field, item, `${path}.${name}`) : []
  })
  return isWhole && (schema.type === 'object' || schema.type === 'map') ? [path, ...inner] : inner
}
