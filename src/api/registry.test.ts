import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { decodeObject } from '../machinery/decode.ts'
import { apiVersionOf } from '../machinery/group-version.ts'
import type { KubeObject } from '../machinery/object.ts'
import { bareTypeName } from '../machinery/schema.ts'
import type { Kind } from './kind.ts'
import { deployments, kindFor, kindNamed, kinds, pods } from './registry.ts'

/** Upstream's filled-in objects, one a kind: kept beside the repository, not in it. */
const fixtures = new URL('../../../shared/k8s-data/fixtures/', import.meta.url)

function fixtureOf(kind: { group: string; version: string; kind: string }): URL {
  return new URL(`${kind.group || 'core'}.${kind.version}.${kind.kind}.json`, fixtures)
}

/** Two groups' kinds are published elsewhere. */
const published = kinds.filter((kind) => !/^api(extensions|registration)\./.test(kind.group))

describe('the registry', () => {
  test('finds a kind by its path and by what objects say they are', () => {
    expect(kindFor('apps', 'v1', 'deployments')).toBe(deployments)
    expect(kindFor('', 'v1', 'pods')).toBe(pods)
    expect(kindNamed('apps/v1', 'Deployment')).toBe(deployments)
    expect(kindFor('', 'v1', 'deployments')).toBeUndefined()
    expect(kindNamed('v1', 'Deployment')).toBeUndefined()
  })

  test('has each kind once', () => {
    expect(new Set(kinds.map((kind) => `${apiVersionOf(kind)}/${kind.plural}`)).size).toBe(kinds.length)
    const stored = kinds.filter((kind) => !kind.storedAs)
    expect(new Set(stored.flatMap((kind) => [kind.plural, kind.singular, ...kind.shortNames])).size).toBe(
      stored.flatMap((kind) => new Set([kind.plural, kind.singular, ...kind.shortNames]).size).reduce((sum, count) => sum + count, 0),
    )
  })

  test.each(kinds.map((kind) => [kind.kind, kind] as const))('%s starts its table with a name and has a schema', (name, kind) => {
    expect(bareTypeName(kind.schema.name ?? '')).toBe(name)
    expect(kind.columns.filter((column) => column.format === 'name')).toHaveLength(1)
    expect(kind.singular).toBe(name.toLowerCase())
  })

  /** Everything that the server asks a kind for, in the order of a write followed by a read. */
  function live(kind: Kind, object: KubeObject): void {
    kind.setDefaults(object)
    const previous = structuredClone(object)
    object.metadata.uid ??= 'u'
    kind.prepareForCreate(object)
    kind.validate(object)
    kind.prepareForUpdate(object, previous)
    kind.validateUpdate(object, previous)
    kind.validateStatusUpdate(object, previous, 'status')
    kind.gracePeriodSeconds(object)
    for (const column of kind.columns) column.value(object, 0)
    for (const field of Object.values(kind.selectableFields)) expect(field(object)).toBeTypeOf('string')
  }

  test.each(kinds.map((kind) => [kind.kind, kind] as const))(
    '%s takes an object that says nothing, and its defaults change nothing more',
    (_, kind) => {
      const empty = { apiVersion: apiVersionOf(kind), kind: kind.kind, metadata: { name: 'x', namespace: 'y' } } as KubeObject
      kind.setDefaults(empty)
      const once = structuredClone(empty)
      kind.setDefaults(empty)
      expect(empty).toEqual(once)
      live(kind, empty)
    },
  )

  test.runIf(existsSync(fixtures)).each(published.map((kind) => [kind.kind, kind] as const))('%s takes upstream’s fixture', (_, kind) => {
    live(
      kind,
      decodeObject<KubeObject>(kind.schema, JSON.parse(readFileSync(fixtureOf(kind), 'utf8')), { fieldValidation: 'Ignore' }).object,
    )
  })

  test.runIf(existsSync(fixtures)).each(published.map((kind) => [kind.kind, kind] as const))(
    '%s decodes upstream’s fixture with nothing lost',
    (_, kind) => {
      const given = JSON.parse(readFileSync(fixtureOf(kind), 'utf8'))
      const { object, warnings } = decodeObject(kind.schema, given, { fieldValidation: 'Warn' })
      expect(warnings).toEqual([])
      expect(object).toEqual(given)
    },
  )
})
