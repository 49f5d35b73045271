import { isObject } from '../../machinery/equality.ts'
import { forbiddenField, invalidValue, notSupported, required } from '../../machinery/field-error.ts'
import type { Faults } from '../field-checks.ts'
import type { JSONSchemaProps } from '../generated/types.ts'

const types = ['array', 'boolean', 'integer', 'number', 'object', 'string']
const maxDepth = 100

/**
 * What makes a schema structural, so that objects can be pruned and defaulted by it: every value has one type, and what it is made of is
 * said outside of allOf, anyOf, oneOf and not. https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/
 */
export function* structuralFaults(path: string, schema: JSONSchemaProps): Faults {
  if (schema.type !== 'object') {
    if (!schema.type) yield required(`${path}.type`, 'must not be empty at the root')
    else yield invalidValue(`${path}.type`, schema.type, 'must be object at the root')
  }
  yield* schemaFaults(path, schema, 0)
}

function* schemaFaults(path: string, schema: JSONSchemaProps, depth: number): Faults {
  if (depth > maxDepth) return yield invalidValue(path, '', 'nests too deep')
  yield* ownFaults(path, schema)
  const { properties, items, additionalProperties } = schema
  for (const [name, property] of Object.entries(properties ?? {})) yield* schemaFaults(`${path}.properties[${name}]`, property, depth + 1)
  if (Array.isArray(items)) yield forbiddenField(`${path}.items`, 'items must be a schema object and not an array')
  else if (isObject(items)) yield* schemaFaults(`${path}.items`, items as JSONSchemaProps, depth + 1)
  if (isObject(additionalProperties)) {
    yield* schemaFaults(`${path}.additionalProperties`, additionalProperties as JSONSchemaProps, depth + 1)
    if (properties && Object.keys(properties).length > 0) {
      yield forbiddenField(`${path}.additionalProperties`, 'additionalProperties and properties are mutual exclusive')
    }
  } else if (additionalProperties === false) {
    yield forbiddenField(`${path}.additionalProperties`, 'additionalProperties cannot be set to false')
  }
}

function* ownFaults(path: string, schema: JSONSchemaProps): Faults {
  const { type } = schema
  const isOpen = schema['x-kubernetes-int-or-string'] || schema['x-kubernetes-preserve-unknown-fields']
  if (!type && !isOpen) yield required(`${path}.type`, 'must not be empty for specified object fields')
  else if (type && !types.includes(type)) yield notSupported(`${path}.type`, type, types)
  if (type === 'array' && !schema.items) yield required(`${path}.items`, 'must be specified')
  for (const field of ['$ref', 'definitions', 'dependencies', 'patternProperties'] as const) {
    if (schema[field] !== undefined) yield forbiddenField(`${path}.${field}`, `${field} is not supported`)
  }
  if (schema.uniqueItems) {
    yield forbiddenField(`${path}.uniqueItems`, 'uniqueItems cannot be set to true since the runtime complexity becomes quadratic')
  }
  const listType = schema['x-kubernetes-list-type']
  const keys = schema['x-kubernetes-list-map-keys'] ?? []
  if (listType !== undefined && !['atomic', 'map', 'set'].includes(listType)) {
    yield notSupported(`${path}.x-kubernetes-list-type`, listType, ['atomic', 'map', 'set'])
  }
  if (listType !== undefined && type !== 'array')
    yield invalidValue(`${path}.type`, type ?? '', 'must be array if x-kubernetes-list-type is specified')
  if (listType === 'map' && keys.length === 0) {
    yield required(`${path}.x-kubernetes-list-map-keys`, 'must not be empty if x-kubernetes-list-type is map')
  }
  if (listType !== 'map' && keys.length > 0)
    yield invalidValue(`${path}.x-kubernetes-list-type`, listType ?? null, 'must be map if x-kubernetes-list-map-keys is non-empty')
}
