import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { bareTypeName, type Field } from '../machinery/schema.ts'
import { definitionNames } from './openapi-names.ts'
import { kinds } from './registry.ts'
import { hasType, schemaOf } from './schema.ts'

interface Property {
  $ref?: string
  allOf?: { $ref: string }[]
  items?: Property
  additionalProperties?: Property
  type?: string
  format?: string
  'x-kubernetes-list-type'?: string
  'x-kubernetes-list-map-keys'?: string[]
  'x-kubernetes-map-type'?: string
  'x-kubernetes-patch-strategy'?: string
  'x-kubernetes-patch-merge-key'?: string
}
interface Published {
  required?: string[]
  properties?: Record<string, Property>
  'x-kubernetes-map-type'?: string
}

const folder = new URL('../../../shared/k8s-data/openapi-v3/', import.meta.url)
const there = existsSync(folder)
if (!there) console.warn('skipped: the published OpenAPI documents are not here')

function published(): Map<string, Published> {
  const all = new Map<string, Published>()
  for (const file of readdirSync(folder)) {
    const document = JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as { components: { schemas: Record<string, Published> } }
    for (const [name, schema] of Object.entries(document.components.schemas)) all.set(name, schema)
  }
  return all
}

/** The generated type's name for a definition: several groups have types of one name. */
function typeNameOf(definition: string): string | undefined {
  const bare = definition.split('.').pop() as string
  const group = definition.startsWith('io.k8s.api.') ? (definition.split('.')[3] as string) : ''
  const prefixed = `${group.charAt(0).toUpperCase()}${group.slice(1)}V1${bare}`
  return [prefixed, bare].find(hasType)
}

/** Which way of merging a published field has; where no list type is given, a merging patch strategy implies it. */
function mergingOf(property: Property): { list: string; keys: string[] } {
  const keys = property['x-kubernetes-list-map-keys']
  const list = property['x-kubernetes-list-type']
  if (list) return { list, keys: keys ?? [] }
  const merges = property['x-kubernetes-patch-strategy']?.includes('merge')
  const key = property['x-kubernetes-patch-merge-key']
  if (!merges || property.type !== 'array') return { list: 'atomic', keys: [] }
  return key ? { list: 'map', keys: [key] } : { list: 'set', keys: [] }
}

const ourMerging = (field: Field): { list: string; keys: readonly string[] } => ({
  list: field.listType ?? 'atomic',
  keys: field.listMapKeys ?? [],
})

function mentions(property: Property, what: string): boolean {
  return JSON.stringify({ ...property, description: '' }).includes(what)
}

function formatOf(field: Field): string | undefined {
  let { schema } = field
  while (schema.items) schema = schema.items
  return schema.format
}

/** Of the documents' release; the models are newer. */
const goneSince = new Set(['PersistentVolumeClaimStatus.resizeStatus', 'PodResourceClaim.source'])

/** Fields of which whether they are required has changed since: the markers of v1.37 say as the models do. */
const otherSince = new Set([
  'CronJob.spec',
  'EndpointSlice.endpoints',
  'HostAlias.ip',
  'PodFailurePolicyOnPodConditionsPattern.status',
  'PodFailurePolicyRule.onPodConditions',
  'PodIP.ip',
  'StatefulSetSpec.serviceName',
  'TokenRequest.spec',
  'TokenRequestSpec.audiences',
  'TokenRequestStatus.expirationTimestamp',
  'TokenRequestStatus.token',
])

describe.skipIf(!there)('facts of the schema, compared with the published documents', () => {
  const fields = [...(there ? published() : [])].flatMap(([definition, schema]) => {
    const typeName = typeNameOf(definition)
    const required = new Set(schema.required)
    return Object.entries(schema.properties ?? {}).map(([name, property]) => {
      return { typeName, definition, name, property, required: required.has(name) }
    })
  })

  it('has a type for every definition', () => {
    expect(fields.filter(({ typeName }) => !typeName)).toEqual([])
  })

  it('agrees on every field', () => {
    const differences: string[] = []
    for (const { typeName, name, property, required } of fields) {
      const where = `${bareTypeName(typeName as string)}.${name}`
      if (goneSince.has(where)) continue
      const field = schemaOf(typeName as string).fields?.get(name)
      if (!field) {
        differences.push(`${where}: no such field`)
        continue
      }
      const ours = {
        required: field.required !== otherSince.has(where),
        ...ourMerging(field),
        strategy: field.patchStrategy?.join(','),
        mergeKey: field.patchMergeKey,
        quantity: formatOf(field) === 'quantity',
        bytes: formatOf(field) === 'byte',
        micro: formatOf(field) === 'micro-time',
      }
      const theirs = {
        required,
        ...mergingOf(property),
        strategy: property['x-kubernetes-patch-strategy'],
        mergeKey: property['x-kubernetes-patch-merge-key'],
        quantity: mentions(property, 'resource.Quantity'),
        bytes: mentions(property, '"byte"'),
        micro: mentions(property, '.MicroTime'),
      }
      if (JSON.stringify(ours) !== JSON.stringify(theirs))
        differences.push(`${where}: ${JSON.stringify(ours)} is not ${JSON.stringify(theirs)}`)
      const mapType = property['x-kubernetes-map-type']
      if (mapType && field.mapType !== mapType) differences.push(`${where}: map type ${mapType}`)
    }
    expect(differences).toEqual([])
  })

  it('knows the types that are replaced as a whole', () => {
    for (const [definition, schema] of published()) {
      const typeName = typeNameOf(definition)
      if (!typeName) continue
      expect([typeName, schemaOf(typeName).atomic === true]).toEqual([typeName, schema['x-kubernetes-map-type'] === 'atomic'])
    }
  })

  it('gives types the names of the published definitions', () => {
    const names = definitionNames(kinds)
    const known = new Set(published().keys())
    const bare = new Set([...known].map((name) => name.split('.').pop()))
    const ours = [...names.values()].filter((name) => bare.has(name.split('.').pop()))
    expect(
      ours.filter((name) => !known.has(name) && !/\.(discovery|events|coordination|autoscaling|resource|storage)\./.test(name)),
    ).toEqual([])
  })
})

it('finds the same schema for the same name, cycles included', () => {
  const schema = schemaOf('JSONSchemaProps')
  expect(schema.fields?.get('not')?.schema).toBe(schema)
  expect(schemaOf('Deployment').fields?.get('metadata')?.schema).toBe(schemaOf('ObjectMeta'))
  expect(() => schemaOf('Nonsense')).toThrow('no API type is called Nonsense')
})
