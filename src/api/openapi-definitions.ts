import type { Field, Schema } from '../machinery/schema.ts'
import type { Kind } from './kind.ts'
import { definitionNames, type GroupVersionKind, rootTypes, walkTypes } from './openapi-names.ts'
import { descriptionOf, schemaOf } from './schema.ts'
import { factsOf } from './schema-facts.ts'

export type OpenApiVersion = 2 | 3
export type Definition = Record<string, unknown>

const metaPackage = 'io.k8s.apimachinery.pkg.apis.meta.v1'
const leaf = {
  quantity: 'io.k8s.apimachinery.pkg.api.resource.Quantity',
  time: `${metaPackage}.Time`,
  microTime: `${metaPackage}.MicroTime`,
  fields: `${metaPackage}.FieldsV1`,
  raw: 'io.k8s.apimachinery.pkg.runtime.RawExtension',
  intOrString: 'io.k8s.apimachinery.pkg.util.intstr.IntOrString',
  patch: `${metaPackage}.Patch`,
}

/** Types that are more than a record of fields. Every document has all of them: they are small. */
function leafDefinitions(version: OpenApiVersion): Record<string, Definition> {
  const union = (...types: string[]): Definition => (version === 3 ? { oneOf: types.map((type) => ({ type })) } : { type: 'string' })
  const time = { type: 'string', format: 'date-time' }
  return {
    [leaf.quantity]: union('string', 'number'),
    [leaf.time]: time,
    [leaf.microTime]: time,
    [leaf.fields]: { type: 'object' },
    [leaf.raw]: { type: 'object' },
    [leaf.intOrString]: { format: 'int-or-string', ...union('integer', 'string') },
    [leaf.patch]: { type: 'object' },
  }
}

const prefixes = { 2: '#/definitions/', 3: '#/components/schemas/' }

/** A reference as upstream writes it where nothing stands beside it. */
export function referenceTo(version: OpenApiVersion, definition: string): Definition {
  return { $ref: `${prefixes[version]}${definition}` }
}

/**
 * Makes the definitions of types, for one version of OpenAPI. Version 3 wraps references to say something beside them.
 */
export class Definitions {
  readonly version: OpenApiVersion
  private readonly names: ReadonlyMap<string, string>

  constructor(version: OpenApiVersion, kinds: readonly Kind[]) {
    this.version = version
    this.names = definitionNames(kinds)
  }

  nameOf(typeName: string): string {
    const name = this.names.get(typeName)
    if (!name) throw new Error(`no kind reaches the type ${typeName}`)
    return name
  }

  /** Everything that the kinds need, by definition name, sorted. `allKinds` are named as users of the options types. */
  schemas(kinds: readonly Kind[], allKinds: readonly Kind[]): Record<string, Definition> {
    const result: Record<string, Definition> = leafDefinitions(this.version)
    const owners = gvksOf(kinds, allKinds)
    const seen = new Set<string>()
    for (const typeName of [...rootTypes(kinds).map((root) => root.typeName), 'DeleteOptions', 'Status', 'WatchEvent', 'APIResourceList']) {
      walkTypes(schemaOf(typeName), seen, (schema) => {
        result[this.nameOf(schema.name as string)] = this.definition(schema, owners.get(schema.name as string))
      })
    }
    return Object.fromEntries(Object.entries(result).sort(([a], [b]) => (a < b ? -1 : 1)))
  }

  private definition(schema: Schema, gvks: readonly GroupVersionKind[] | undefined): Definition {
    const name = schema.name as string
    const fields = [...(schema.fields as ReadonlyMap<string, Field>)]
    const required = fields.filter(([, field]) => field.required).map(([field]) => field)
    const description = descriptionOf(name)
    return {
      ...(description ? { description } : {}),
      ...(required.length > 0 ? { required: required.sort() } : {}),
      type: 'object',
      properties: Object.fromEntries(fields.map(([field, value]) => [field, this.property(name, field, value)])),
      ...(gvks ? { 'x-kubernetes-group-version-kind': gvks } : {}),
      ...(schema.atomic ? { 'x-kubernetes-map-type': 'atomic' } : {}),
    }
  }

  private property(typeName: string, name: string, field: Field): Definition {
    // Where a record is referred to, the published types say nothing of the field: what it holds is the next best.
    const description = descriptionOf(typeName, name) || (field.schema.type === 'object' ? descriptionOf(field.schema.name as string) : '')
    const facts = factsOf(typeName, name)
    return {
      ...(description ? { description } : {}),
      ...this.value(field.schema, `${typeName}.${name}`, field.required),
      ...(facts.listMapKeys ? { 'x-kubernetes-list-map-keys': facts.listMapKeys } : {}),
      ...(facts.listType ? { 'x-kubernetes-list-type': facts.listType } : {}),
      ...(facts.mapType ? { 'x-kubernetes-map-type': facts.mapType } : {}),
      ...(facts.patchMergeKey ? { 'x-kubernetes-patch-merge-key': facts.patchMergeKey } : {}),
      ...(facts.patchStrategy ? { 'x-kubernetes-patch-strategy': facts.patchStrategy.join(',') } : {}),
      ...(facts.keyDefault !== undefined && this.version === 3 ? { default: facts.keyDefault } : {}),
    }
  }

  private value(schema: Schema, where: string, required: boolean): Definition {
    switch (schema.type) {
      case 'object':
        return this.reference(this.nameOf(schema.name as string), true)
      case 'array':
        return { type: 'array', items: this.value(schema.items as Schema, where, true) }
      case 'map':
        return { type: 'object', additionalProperties: this.value(schema.items as Schema, where, true) }
      case 'int-or-string':
        return this.reference(leaf.intOrString, false)
      case 'any':
        return this.reference(where === 'ManagedFieldsEntry.fieldsV1' ? leaf.fields : leaf.raw, false)
      case 'string':
        if (schema.format === 'quantity') return this.reference(leaf.quantity, false)
        if (schema.format === 'date-time') return this.reference(leaf.time, false)
        if (schema.format === 'micro-time') return this.reference(leaf.microTime, false)
    }
    const zero = { string: '', integer: 0, number: 0, boolean: false }[schema.type]
    return {
      type: schema.type,
      ...(schema.format ? { format: schema.format } : {}),
      ...(required && this.version === 3 && schema.format !== 'byte' ? { default: zero } : {}),
    }
  }

  private reference(definition: string, record: boolean): Definition {
    const reference = referenceTo(this.version, definition)
    if (this.version === 2) return reference
    return { allOf: [reference], ...(record ? { default: {} } : {}) }
  }
}

/** Which kinds a type is, for x-kubernetes-group-version-kind. Options belong to every group and version. */
function gvksOf(kinds: readonly Kind[], allKinds: readonly Kind[]): ReadonlyMap<string, readonly GroupVersionKind[]> {
  const result = new Map<string, GroupVersionKind[]>()
  for (const { typeName, group, version, kind } of rootTypes(kinds)) result.set(typeName, [{ group, kind, version }])
  const groupVersions = new Map(allKinds.map(({ group, version }) => [`${group}/${version}`, { group, version }]))
  for (const kind of ['DeleteOptions', 'WatchEvent']) {
    result.set(
      kind,
      [...groupVersions.values()].map(({ group, version }) => ({ group, kind, version })),
    )
  }
  for (const kind of ['Status', 'APIResourceList']) result.set(kind, [{ group: '', kind, version: 'v1' }])
  return result
}
