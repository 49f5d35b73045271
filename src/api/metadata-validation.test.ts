import { describe, expect, test } from 'vitest'
import type { ObjectMeta } from '../machinery/object.ts'
import { validateMetadata, validateMetadataUpdate } from './metadata-validation.ts'
import { namespaces, pods } from './registry.ts'

const stored: ObjectMeta = {
  name: 'web',
  namespace: 'default',
  uid: 'u',
  resourceVersion: '1',
  generation: 3,
  creationTimestamp: '2026-03-01T11:00:00Z',
}
const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'rs', uid: 'r', controller: true }

const texts = (faults: ReturnType<typeof validateMetadata>): string[] => faults.map((fault) => `${fault.field}: ${fault.message}`)

describe('metadata', () => {
  test.each<[string, Partial<ObjectMeta>, string[]]>([
    ['of a sound object', {}, []],
    ['without a name', { name: '' }, ['metadata.name: Required value: name or generateName is required']],
    ['without a namespace', { namespace: '' }, ['metadata.namespace: Required value']],
    ['with a stem that ends with a dash', { generateName: 'web-' }, []],
    [
      'with a name of capitals',
      { name: 'Web' },
      [
        "metadata.name: Invalid value: \"Web\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
      ],
    ],
    [
      'with a label too long',
      { labels: { a: 'x'.repeat(64) } },
      [`metadata.labels: Invalid value: "${'x'.repeat(64)}": must be no more than 63 bytes`],
    ],
    ['with annotations in capitals', { annotations: { 'Example.com/Key': 'anything at all' } }, []],
    [
      'with too many annotations',
      { annotations: { a: 'x'.repeat(256 * 1024) } },
      ['metadata.annotations: Too long: may not be more than 262144 bytes'],
    ],
    [
      'with two controllers',
      { ownerReferences: [owner, { ...owner, name: 'other' }] },
      [
        `metadata.ownerReferences: Invalid value: ${JSON.stringify([owner, { ...owner, name: 'other' }])}: Only one reference can have Controller set to true. Found "true" in references for ReplicaSet/rs and ReplicaSet/other`,
      ],
    ],
    [
      'with an owner that has no uid',
      { ownerReferences: [{ ...owner, uid: '' }] },
      ['metadata.ownerReferences[0].uid: Required value: must not be empty'],
    ],
    [
      'with an owner of no version',
      { ownerReferences: [{ ...owner, apiVersion: 'apps/' }] },
      ['metadata.ownerReferences[0].apiVersion: Invalid value: "apps/": must be <group>/<version> or <version>'],
    ],
    [
      'with a finalizer of nobody',
      { finalizers: ['a.io/x', 'mine'] },
      ['metadata.finalizers[1]: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified'],
    ],
    [
      'with a name too long',
      { name: 'x'.repeat(254) },
      [`metadata.name: Invalid value: "${'x'.repeat(254)}": must be no more than 253 characters`],
    ],
    [
      'with finalizers that contradict each other',
      { finalizers: ['orphan', 'foregroundDeletion'] },
      ['metadata.finalizers: Invalid value: ["orphan","foregroundDeletion"]: finalizer orphan and foregroundDeletion cannot be both set'],
    ],
  ])('%s', (_, metadata, faults) => expect(texts(validateMetadata({ ...stored, ...metadata }, pods))).toEqual(faults))

  test('of a kind in no namespace names none', () => {
    expect(texts(validateMetadata({ name: 'a', namespace: 'b' }, namespaces))).toEqual([
      'metadata.namespace: Forbidden: not allowed on this type',
    ])
  })
})

describe('a change of metadata', () => {
  test.each<[string, Partial<ObjectMeta>, string[]]>([
    ['of labels', { labels: { a: 'b' } }, []],
    ['of the name', { name: 'other' }, ['metadata.name: Invalid value: "other": field is immutable']],
    ['of the uid', { uid: 'v' }, ['metadata.uid: Invalid value: "v": field is immutable']],
    ['back in generations', { generation: 2 }, ['metadata.generation: Invalid value: 2: must not be decremented']],
  ])('%s', (_, change, faults) => expect(texts(validateMetadataUpdate({ ...stored, ...change }, stored))).toEqual(faults))

  test('adds no finalizer to what is being deleted', () => {
    const dying = { ...stored, deletionTimestamp: '2026-03-01T12:00:00Z', finalizers: ['a.io/x'] }
    expect(validateMetadataUpdate({ ...dying, finalizers: [] }, dying)).toEqual([])
    expect(texts(validateMetadata({ ...dying, finalizers: ['a.io/x', 'a.io/y'] }, pods, { update: dying }))).toEqual([
      'metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"a.io/y"}',
    ])
  })
})
