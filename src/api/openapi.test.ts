import { existsSync, readFileSync } from 'node:fs'
import { BinaryReader } from '@bufbuild/protobuf/wire'
import { describe, expect, it } from 'vitest'
import { openApiV2, openApiV2Protobuf, openApiV3, openApiV3Index } from './openapi.ts'
import { kinds } from './registry.ts'

type Operation = { operationId: string; parameters?: { name: string }[]; requestBody?: { content: object }; [extension: string]: unknown }
type Document = { paths: Record<string, Record<string, Operation>>; components: { schemas: Record<string, Record<string, unknown>> } }

const core = openApiV3(kinds, '', 'v1') as unknown as Document
const apps = openApiV3(kinds, 'apps', 'v1') as unknown as Document

/** Every `$ref` in a document. */
function references(value: unknown, found = new Set<string>()): Set<string> {
  if (typeof value !== 'object' || value === null) return found
  for (const [key, child] of Object.entries(value)) {
    if (key === '$ref' && typeof child === 'string') found.add(child)
    else references(child, found)
  }
  return found
}

describe('OpenAPI v3', () => {
  it('refers only to what it defines', () => {
    for (const document of [core, apps]) {
      const defined = new Set(Object.keys(document.components.schemas).map((name) => `#/components/schemas/${name}`))
      expect([...references(document)].filter((reference) => !defined.has(reference))).toEqual([])
    }
  })

  it('tells kubectl that patches validate fields and merge strategically', () => {
    const patch = apps.paths['/apis/apps/v1/namespaces/{namespace}/deployments/{name}']?.patch as Operation
    expect(patch.parameters?.map(({ name }) => name)).toEqual(['dryRun', 'fieldManager', 'fieldValidation', 'force'])
    expect(patch['x-kubernetes-group-version-kind']).toEqual({ group: 'apps', kind: 'Deployment', version: 'v1' })
    expect(Object.keys(patch.requestBody?.content ?? {})).toContain('application/strategic-merge-patch+json')
  })

  it('says how lists merge', () => {
    const spec = core.components.schemas['io.k8s.api.core.v1.PodSpec'] as { properties: Record<string, object> }
    expect(spec.properties.volumes).toMatchObject({
      'x-kubernetes-patch-merge-key': 'name',
      'x-kubernetes-patch-strategy': 'merge,retainKeys',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['name'],
    })
  })

  it('has an index whose addresses are stable, and no document for a version that nothing has', () => {
    const index = openApiV3Index(kinds)
    expect(index.paths['api/v1']?.serverRelativeURL).toMatch(/^\/openapi\/v3\/api\/v1\?hash=[0-9A-F]{64}$/)
    expect(openApiV3Index([...kinds])).toEqual(index)
    expect(openApiV3(kinds, 'apps', 'v9')).toBeUndefined()
  })

  const oracle = new URL('../../../shared/k8s-data/openapi-v3/api__v1.json', import.meta.url)
  it.skipIf(!existsSync(oracle))('names operations as the published document does', () => {
    const theirs = JSON.parse(readFileSync(oracle, 'utf8')) as Document
    const different: string[] = []
    for (const [path, item] of Object.entries(core.paths)) {
      if (path.endsWith('/pods/{name}/resize')) continue // newer than the document at hand
      for (const [method, operation] of Object.entries(item)) {
        if (method === 'parameters') continue
        const other = theirs.paths[path]?.[method]
        const facts = (of: Operation | undefined): unknown => [
          of?.operationId,
          of?.['x-kubernetes-action'],
          of?.['x-kubernetes-group-version-kind'],
        ]
        if (JSON.stringify(facts(operation)) !== JSON.stringify(facts(other)))
          different.push(`${method} ${path}: ${JSON.stringify(facts(operation))}`)
      }
    }
    expect(different).toEqual([])
  })
})

describe('OpenAPI v2', () => {
  const document = openApiV2(kinds)

  it('refers only to what it defines', () => {
    const defined = new Set(Object.keys(document.definitions as object).map((name) => `#/definitions/${name}`))
    expect([...references(document)].filter((reference) => !defined.has(reference))).toEqual([])
  })

  it('is written as a protobuf message with every path and definition', () => {
    const counts = new Map<number, number>()
    const reader = new BinaryReader(openApiV2Protobuf(document))
    while (reader.pos < reader.len) {
      const [field, wireType] = reader.tag()
      if (field !== 8 && field !== 9) {
        reader.skip(wireType, field)
        continue
      }
      const inner = new BinaryReader(reader.bytes())
      let count = 0
      while (inner.pos < inner.len) {
        const [innerField, innerType] = inner.tag()
        inner.skip(innerType, innerField)
        count++
      }
      counts.set(field, count)
    }
    expect(counts.get(8)).toBe(Object.keys(document.paths).length)
    expect(counts.get(9)).toBe(Object.keys(document.definitions as object).length)
  })
})
