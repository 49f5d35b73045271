import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { kinds } from '../api/registry.ts'
import { schemaOf } from '../api/schema.ts'
import { decodeObject } from '../machinery/decode.ts'
import { protobufBytes, protobufFrames } from './protobuf-answer.ts'
import { decodeProtobuf } from './protobuf-body.ts'
import { reviews } from './virtual-resources.ts'

/** Upstream's objects with every field filled in, in both forms: an oracle that lies beside the repository, if it is there. */
const fixtures = join(import.meta.dirname, '../../../shared/k8s-data/fixtures')
const groupOf = (group: string): string => group || 'core'

describe.skipIf(!existsSync(fixtures))('protobuf says what JSON says', () => {
  const stored = kinds.map(({ group, version, kind, schema }) => ({ group, version, kind, schema }))
  const asked = reviews.map(({ group, version, kind }) => ({ group, version, kind, schema: schemaOf(kind) }))
  // The two groups that are left out are published elsewhere.
  const published = [...stored, ...asked].filter(({ group }) => !/^api(extensions|registration)\./.test(group))
  test.each(published.map((kind) => [`${kind.group}/${kind.version} ${kind.kind}`, kind] as const))('%s', (_name, kind) => {
    const file = join(fixtures, `${groupOf(kind.group)}.${kind.version}.${kind.kind}`)
    const json = JSON.parse(readFileSync(`${file}.json`, 'utf8'))
    const bytes = readFileSync(`${file}.pb`)
    const decoded = decodeProtobuf(bytes, () => kind.schema)
    const options = { fieldValidation: 'Strict' } as const
    expect(decodeObject(kind.schema, decoded, options).object).toEqual(decodeObject(kind.schema, json, options).object)
    expect(protobufBytes(json)?.equals(bytes)).toBe(true)
  })
})

/** Encoded and decoded again. */
function there(object: { apiVersion: string; kind: string }): unknown {
  return decodeProtobuf(protobufBytes(object) as Buffer, (apiVersion, name) => {
    const kind = kinds.find((one) => one.kind === name && apiVersion.endsWith(one.version) && apiVersion.startsWith(one.group))
    return kind?.schema ?? schemaOf(name)
  })
}

test('what JSON leaves to the reader survives the way there and back', () => {
  const definition = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'crons.example.com' },
    spec: {
      group: 'example.com',
      names: { kind: 'Cron', plural: 'crons' },
      scope: 'Namespaced',
      versions: [
        {
          name: 'v1',
          served: true,
          storage: false,
          schema: {
            openAPIV3Schema: {
              type: 'object',
              default: { a: [1, null, 'x'] },
              properties: {
                list: { type: 'array', items: { type: 'string' } },
                open: { type: 'object', additionalProperties: true },
                closed: { type: 'object', additionalProperties: { type: 'integer', maximum: 1.5 } },
              },
            },
          },
        },
      ],
    },
  }
  expect(there(definition)).toMatchObject(definition)
})

test('a time of long ago is a time, to the microsecond', () => {
  const spec = { holderIdentity: 'holder', acquireTime: '0001-01-01T00:00:02.000000Z', renewTime: '0001-01-01T00:00:05.000007Z' }
  const lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name: 'lease' }, spec }
  expect(there(lease)).toMatchObject(lease)
})

test('zero is written and read where it says something, and left out where it doesn’t', () => {
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'x', creationTimestamp: '2026-01-02T03:04:05Z' },
    spec: { containers: [{ name: 'a', env: [{ name: 'EMPTY' }] }], terminationGracePeriodSeconds: 0, hostNetwork: false },
    status: { containerStatuses: [{ name: 'a', restartCount: 0, ready: false, image: '', imageID: '' }] },
  }
  const { spec, status, metadata } = there(pod) as typeof pod
  expect(metadata).toEqual({ name: 'x', creationTimestamp: '2026-01-02T03:04:05.000000Z' })
  expect(spec).toEqual({ containers: [{ name: 'a', env: [{ name: 'EMPTY' }], resources: {} }], terminationGracePeriodSeconds: 0 })
  expect(status.containerStatuses).toEqual([{ name: 'a', restartCount: 0, ready: false, image: '', imageID: '', state: {}, lastState: {} }])
})

test('lists, metadata alone and Statuses have the form, discovery has not', () => {
  const metadata = { name: 'x', namespace: 'y' }
  const list = { apiVersion: 'v1', kind: 'ConfigMapList', metadata: { resourceVersion: '7' }, items: [{ metadata, data: { a: 'b' } }] }
  expect(there(list)).toEqual(list)
  const status = { apiVersion: 'v1', kind: 'Status', metadata: {}, status: 'Failure', reason: 'NotFound', code: 404 }
  expect(there(status)).toEqual(status)
  expect(protobufBytes({ apiVersion: 'meta.k8s.io/v1', kind: 'PartialObjectMetadata', metadata })).toBeDefined()
  expect(protobufBytes({ apiVersion: 'apidiscovery.k8s.io/v2', kind: 'APIGroupDiscoveryList', items: [] })).toBeUndefined()
})

test('events of a watch come in frames of their length', () => {
  const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x' } }
  const frames = protobufFrames([
    { type: 'ADDED', object },
    { type: 'DELETED', object },
  ])
  const length = frames.readUInt32BE(0)
  expect(
    frames
      .subarray(4, 4 + length)
      .subarray(0, 7)
      .toString('latin1'),
  ).toBe('\n\x05ADDED')
  expect(frames.readUInt32BE(4 + length)).toBe(frames.byteLength - 8 - length)
  expect(frames.subarray(4, 4 + length).includes(protobufBytes(object) as Buffer)).toBe(true)
})

test('bytes that are no message are refused', () => {
  const pods = kinds.find((kind) => kind.plural === 'pods')
  const schema = (): NonNullable<typeof pods>['schema'] => (pods as NonNullable<typeof pods>).schema
  for (const bytes of ['', 'nonsense', 'k8s\0\xff\xff\xff', 'k8s\0\x12\x7fshort']) {
    expect(() => decodeProtobuf(Buffer.from(bytes, 'latin1'), schema)).toThrow(/no valid protobuf message/)
  }
})
