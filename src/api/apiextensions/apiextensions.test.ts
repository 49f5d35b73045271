import { describe, expect, test } from 'vitest'
import { type Case, changeFaults, created, faultsOf } from '../testing/kind-cases.ts'
import { customResourceDefinitions } from './custom-resource-definition.ts'

const version = (fields: object = {}): object => ({
  name: 'v1',
  served: true,
  storage: true,
  schema: { openAPIV3Schema: { type: 'object' } },
  ...fields,
})
const definition = (spec: object): Record<string, unknown> => ({
  metadata: { name: 'widgets.example.com' },
  spec: { group: 'example.com', scope: 'Namespaced', names: { plural: 'widgets', kind: 'Widget' }, versions: [version()], ...spec },
})
const schema = (openAPIV3Schema: object): Record<string, unknown> => definition({ versions: [version({ schema: { openAPIV3Schema } })] })
const at = 'spec.versions[0].schema.openAPIV3Schema'

describe('a CustomResourceDefinition', () => {
  test('is filled in, and remembers which versions are stored', () => {
    const { spec, status } = created(customResourceDefinitions, definition({}))
    expect(spec.names).toEqual({ plural: 'widgets', singular: 'widget', kind: 'Widget', listKind: 'WidgetList' })
    expect([spec.conversion, status]).toEqual([{ strategy: 'None' }, { storedVersions: ['v1'] }])
    const before = created(customResourceDefinitions, definition({}))
    const after = created(customResourceDefinitions, definition({ versions: [version({ storage: false }), version({ name: 'v2' })] }))
    customResourceDefinitions.prepareForUpdate(after, before)
    expect(after.status?.storedVersions).toEqual(['v1', 'v2'])
  })

  test.each<Case>([
    ['that is sound', definition({}), []],
    [
      'of another name',
      { ...definition({}), metadata: { name: 'widgets' } },
      ['metadata.name: Invalid value: "widgets": must be spec.names.plural+"."+spec.group'],
    ],
    [
      'of everywhere',
      definition({ scope: 'World' }),
      ['spec.scope: Unsupported value: "World": supported values: "Cluster", "Namespaced"'],
    ],
    [
      'that is stored nowhere',
      definition({ versions: [version({ storage: false })] }),
      [expect.stringMatching(/^spec.versions: Invalid value: .*: must have exactly one version marked as storage version$/)],
    ],
    ['without a schema', definition({ versions: [version({ schema: undefined })] }), [`${at}: Required value: schemas are required`]],
    [
      'of a kind that is its own list',
      definition({ names: { plural: 'widgets', kind: 'Widget', listKind: 'Widget' } }),
      ['spec.names.listKind: Invalid value: "Widget": kind and listKind may not be the same'],
    ],
    [
      'converted by nobody',
      definition({ conversion: { strategy: 'Webhook' } }),
      [
        'spec.conversion.webhook.clientConfig: Required value: required when strategy is set to Webhook',
        'spec.conversion.webhook.conversionReviewVersions: Required value',
      ],
    ],
  ])('%s', (_, fields, faults) => {
    expect(faultsOf(customResourceDefinitions, fields)).toEqual(faults)
  })

  test.each<Case>([
    [
      'of lists, maps and what it may be',
      schema({
        type: 'object',
        properties: {
          a: { type: 'array', items: { 'x-kubernetes-int-or-string': true } },
          b: { type: 'object', additionalProperties: { type: 'string' } },
        },
      }),
      [],
    ],
    ['of text alone', schema({ type: 'string' }), [`${at}.type: Invalid value: "string": must be object at the root`]],
    [
      'of a field of no type',
      schema({ type: 'object', properties: { a: {} } }),
      [`${at}.properties[a].type: Required value: must not be empty for specified object fields`],
    ],
    [
      'of a list of nothing',
      schema({ type: 'object', properties: { a: { type: 'array' } } }),
      [`${at}.properties[a].items: Required value: must be specified`],
    ],
    ['that refers elsewhere', schema({ type: 'object', $ref: '#/x' }), [`${at}.$ref: Forbidden: $ref is not supported`]],
    [
      'of fields and any others',
      schema({ type: 'object', properties: { a: { type: 'string' } }, additionalProperties: { type: 'string' } }),
      [`${at}.additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive`],
    ],
    [
      'of a list merged by no key',
      schema({ type: 'object', properties: { a: { type: 'array', items: { type: 'object' }, 'x-kubernetes-list-type': 'map' } } }),
      [`${at}.properties[a].x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map`],
    ],
  ])('has a schema %s', (_, fields, faults) => {
    expect(faultsOf(customResourceDefinitions, fields)).toEqual(faults)
  })

  test('keeps the names of what is stored', () => {
    expect(changeFaults(customResourceDefinitions, definition({}), definition({ group: 'example.org' }))).toEqual([
      'spec.group: Invalid value: "example.org": field is immutable',
    ])
    expect(changeFaults(customResourceDefinitions, definition({}), definition({ versions: [version({ name: 'v2' })] }))).toEqual([
      expect.stringMatching(
        /^status.storedVersions\[0\]: Invalid value: "v1": missing from spec.versions; v1 was previously a storage version/,
      ),
    ])
  })
})
