import { describe, expect, test } from 'vitest'
import type { FieldError } from '../../machinery/field-error.ts'
import type { KubeObject } from '../../machinery/object.ts'
import { leases } from '../coordination/lease.ts'
import { endpointSlices } from '../discovery/endpoint-slice.ts'
import type { ConfigMap, EndpointSlice, Endpoints, Event, Lease, Namespace, Node, Secret } from '../generated/types.ts'
import type { Kind } from '../kind.ts'
import { configMaps } from './config-map.ts'
import { endpoints } from './endpoints.ts'
import { events } from './event.ts'
import { namespaces } from './namespace.ts'
import { nodes } from './node.ts'
import { secrets } from './secret.ts'

const now = Date.parse('2026-03-01T12:00:00Z')
const metadata = { name: 'x', namespace: 'default', uid: 'u', resourceVersion: '1', creationTimestamp: '2026-03-01T11:00:00Z' }

/** An object of a kind with nothing but metadata, and what is given. */
function objectOf<T extends KubeObject>(kind: Kind<T>, fields: Partial<T>): T {
  const object = { apiVersion: 'v1', kind: kind.kind, metadata: { ...metadata }, ...fields } as T
  kind.setDefaults(object)
  return object
}

const texts = (faults: readonly FieldError[]): string[] => faults.map((fault) => `${fault.field}: ${fault.message}`)
const row = <T extends KubeObject>(kind: Kind<T>, object: T) => kind.columns.map((column) => column.value(object, now))

describe('ConfigMaps', () => {
  const map = (fields: Partial<ConfigMap>) => objectOf(configMaps, fields)

  test('count their entries', () => {
    expect(row(configMaps, map({ data: { a: '1', b: '2' }, binaryData: { c: 'AA==' } }))).toEqual(['x', 3, '60m'])
  })

  test.each<[string, Partial<ConfigMap>, string[]]>([
    [
      'a key with a blank',
      { data: { 'a b': '' } },
      [
        "data[a b]: Invalid value: \"a b\": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
      ],
    ],
    [
      'a key that is empty',
      { data: { '': 'value-1' } },
      [
        "data[]: Invalid value: \"\": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
      ],
    ],
    ['one key twice', { data: { a: '' }, binaryData: { a: '' } }, ['data[a]: Invalid value: "a": duplicate of key present in binaryData']],
    ['a mebibyte', { data: { a: 'x'.repeat(2 ** 20) } }, []],
    ['more than a mebibyte', { data: { a: 'x'.repeat(2 ** 20 + 1) } }, ['[]: Too long: may not be more than 1048576 bytes']],
  ])('with %s', (_, fields, faults) => expect(texts(configMaps.validate(map(fields)))).toEqual(faults))

  test('that are immutable stay as they are', () => {
    const before = map({ immutable: true, data: { a: '1' } })
    expect(texts(configMaps.validateUpdate(map({ data: { a: '2' } }), before))).toEqual([
      'immutable: Forbidden: field is immutable when `immutable` is set',
      'data: Forbidden: field is immutable when `immutable` is set',
    ])
  })
})

describe('Secrets', () => {
  const secret = (fields: Partial<Secret>) => objectOf(secrets, fields)

  test('take plain text and keep it encoded', () => {
    expect(secret({ data: { a: 'QQ==' }, stringData: { b: 'hello' } })).toMatchObject({
      type: 'Opaque',
      data: { a: 'QQ==', b: 'aGVsbG8=' },
    })
    expect(secret({ stringData: { b: 'hello' } })).not.toHaveProperty('stringData')
  })

  test('of a known type need its keys', () => {
    expect(texts(secrets.validate(secret({ type: 'kubernetes.io/tls', data: { 'tls.crt': '' } })))).toEqual([
      'data[tls.key]: Required value',
    ])
  })

  const encoded = (text: string) => Buffer.from(text).toString('base64')
  const json = (text: string) => ({ type: 'kubernetes.io/dockerconfigjson', data: { '.dockerconfigjson': encoded(text) } })
  const badJson = (why: string) => [`data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": ${why}`]
  test.each<[string, Partial<Secret>, string[]]>([
    ['an empty key', { type: 'kubernetes.io/ssh-auth', data: { 'ssh-privatekey': '' } }, ['data[ssh-privatekey]: Required value']],
    ['no name', { type: 'kubernetes.io/basic-auth' }, ['data[username]: Required value', 'data[password]: Required value']],
    ['settings', json('{}'), []],
    ['nothing', json(''), badJson('unexpected end of JSON input')],
    ['words', json('oops'), badJson("invalid character 'o' looking for beginning of value")],
    ['a list', json('[]'), badJson('json: cannot unmarshal array into Go value of type map[string]interface {}')],
    [
      'no account',
      { type: 'kubernetes.io/service-account-token' },
      ['metadata.annotations[kubernetes.io/service-account.name]: Required value'],
    ],
    [
      'a key that is empty',
      { data: { '': 'dmFsdWU=' } },
      [
        "data[]: Invalid value: \"\": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
      ],
    ],
    ['too much', { data: { a: 'A'.repeat(4 * 350_000) } }, ['data: Too long: may not be more than 1048576 bytes']],
  ])('may hold %s', (_, fields, faults) => expect(texts(secrets.validate(secret(fields)))).toEqual(faults))

  test('keep their type', () => {
    expect(texts(secrets.validateUpdate(secret({}), secret({ type: 'own' })))).toEqual([
      'type: Invalid value: "Opaque": field is immutable',
    ])
  })
})

test('a Secret that is immutable stays as it is, but for its labels', () => {
  const sealed = (fields: Partial<Secret>, labels = {}) =>
    objectOf(secrets, { metadata: { name: 'x', labels } as Secret['metadata'], immutable: true, data: { a: 'MQ==' }, ...fields })
  const changed = (next: Secret) => texts(secrets.validateUpdate(next, sealed({})))
  expect(changed(sealed({ data: { a: 'Mg==' } }))).toEqual(['data: Forbidden: field is immutable when `immutable` is set'])
  expect(changed(sealed({ immutable: false }))).toEqual(['immutable: Forbidden: field is immutable when `immutable` is set'])
  expect(changed(sealed({}, { label: 'new' }))).toEqual([])
})

describe('Namespaces', () => {
  const space = (fields: Partial<Namespace>) => {
    const namespace = objectOf(namespaces, fields)
    namespaces.prepareForCreate(namespace)
    return namespace
  }

  test('start out active, with their name as a label and the finalizer of their contents', () => {
    expect(space({})).toMatchObject({
      metadata: { labels: { 'kubernetes.io/metadata.name': 'x' } },
      spec: { finalizers: ['kubernetes'] },
      status: { phase: 'Active' },
    })
  })

  test('keep their finalizers on an ordinary update', () => {
    const changed = objectOf(namespaces, { spec: {} })
    namespaces.prepareForUpdate(changed, space({}))
    expect(changed.spec.finalizers).toEqual(['kubernetes'])
  })

  test('are terminating only once they are being deleted', () => {
    const terminating: Namespace = { ...space({}), status: { phase: 'Terminating' } }
    expect(texts(namespaces.validateStatusUpdate(terminating, space({}), 'status'))).toEqual([
      'status.Phase: Invalid value: "Terminating": may only be \'Active\' if `deletionTimestamp` is empty',
    ])
  })
})

describe('Nodes', () => {
  const node = (fields: Partial<Node>) => objectOf(nodes, fields)

  test('show readiness, roles and versions', () => {
    const ready = node({
      metadata: { ...metadata, labels: { 'node-role.kubernetes.io/control-plane': '', 'kubernetes.io/role': 'edge' } },
      spec: { unschedulable: true },
      status: {
        conditions: [{ type: 'Ready', status: 'True' }],
        addresses: [{ type: 'InternalIP', address: '10.0.0.1' }],
        nodeInfo: { kubeletVersion: 'v1.37.0', kernelVersion: '6.1' } as never,
      },
    })
    expect(row(nodes, ready)).toEqual([
      'x',
      'Ready,SchedulingDisabled',
      'control-plane,edge',
      '60m',
      'v1.37.0',
      '10.0.0.1',
      '<none>',
      '<unknown>',
      '6.1',
      '<unknown>',
    ])
    expect(row(nodes, node({})).slice(1, 3)).toEqual(['Unknown', '<none>'])
  })

  test('cannot carry one taint twice', () => {
    const taints = [
      { key: 'a', effect: 'NoSchedule' },
      { key: 'a', effect: 'NoSchedule' },
    ]
    expect(texts(nodes.validate(node({ spec: { taints } })))).toEqual([
      'metadata.taints[1]: Duplicate value: {"Key":"a","Value":"","Effect":"NoSchedule","TimeAdded":null}: taints must be unique by key and effect pair',
    ])
  })

  test.each<[string, Partial<Node>, string[]]>([
    [
      'of less than nothing',
      { status: { capacity: { cpu: '-1' } } },
      ['status.capacity.cpu', 'status.allocatable.cpu'].map((field) => `${field}: Invalid value: "-1": must be greater than or equal to 0`),
    ],
    [
      'with two ranges of one family',
      { spec: { podCIDRs: ['10.0.0.0/24', '10.1.0.0/24'] } },
      ['spec.podCIDRs: Invalid value: ["10.0.0.0/24","10.1.0.0/24"]: may specify no more than one CIDR for each IP family'],
    ],
    [
      'with features out of order',
      { status: { declaredFeatures: ['B', 'A', 'A'] } },
      [
        'status.declaredFeatures[1]: Invalid value: "A": list must be sorted alphabetically',
        'status.declaredFeatures[2]: Duplicate value: "A"',
      ],
    ],
  ])('%s', (_, fields, faults) => expect(texts(nodes.validate(node(fields)))).toEqual(faults))

  test('keep what names their machine', () => {
    const before = node({ spec: { providerID: 'a', podCIDRs: ['10.0.0.0/24'] } })
    const change = (fields: Partial<Node>) => texts(nodes.validateUpdate(node(fields), before))
    const podCIDRs = ['10.0.0.0/24']
    expect(change({ spec: { podCIDRs } })).toEqual(['spec.providerID: Invalid value: null: field cannot be cleared once set'])
    expect(change({ spec: { podCIDRs, providerID: 'b' } })).toEqual([
      'spec.providerID: Invalid value: null: field cannot be modified once set',
    ])
    expect(change({ spec: { providerID: 'a' } })).toEqual(['spec.podCIDRs: Invalid value: null: field cannot be cleared once set'])
    const twice = { type: 'InternalIP', address: '10.0.0.1' }
    const now = { ...before, status: { addresses: [twice, twice] } }
    expect(texts(nodes.validateStatusUpdate(now, before, 'status'))).toEqual([
      'status.addresses[1]: Duplicate value: {"Type":"InternalIP","Address":"10.0.0.1"}',
    ])
  })

  test('are warned of what does nothing', () => {
    expect(nodes.warnings(node({ spec: { externalID: 'x', podCIDRs: ['10.0.0.1/24'] } }), undefined)).toEqual([
      'spec.externalID: this field is deprecated, and is unused by Kubernetes',
      'spec.podCIDRs[0]: CIDR value "10.0.0.1/24" is ambiguous in this context (should be "10.0.0.0/24" or "10.0.0.1/32"?)',
    ])
  })

  test('get their pod range once', () => {
    const range = (podCIDR: string) => node({ spec: { podCIDR, podCIDRs: [podCIDR] } })
    expect(nodes.validateUpdate(range('10.244.1.0/24'), node({}))).toEqual([])
    expect(texts(nodes.validateUpdate(range('10.244.2.0/24'), range('10.244.1.0/24')))).toEqual([
      'spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid',
    ])
  })
})

describe('Endpoints', () => {
  const of = (subsets: Endpoints['subsets']) => objectOf(endpoints, { subsets })
  const addresses = (count: number) => Array.from({ length: count }, (_, index) => ({ ip: `10.244.0.${index + 1}` }))

  test.each<[string, Endpoints['subsets'], string]>([
    ['none', [], '<none>'],
    ['one', [{ addresses: addresses(1), ports: [{ port: 80 }] }], '10.244.0.1:80'],
    ['many', [{ addresses: addresses(5), ports: [{ port: 80 }] }], '10.244.0.1:80,10.244.0.2:80,10.244.0.3:80 + 2 more...'],
    ['without ports', [{ addresses: addresses(2) }], '10.244.0.1,10.244.0.2'],
    ['IPv6', [{ addresses: [{ ip: 'fd00::1' }], ports: [{ port: 80 }] }], '[fd00::1]:80'],
  ])('show %s', (_, subsets, text) => expect(row(endpoints, of(subsets))[1]).toBe(text))

  test('need addresses that mean the same everywhere', () => {
    expect(texts(endpoints.validate(of([{ ports: [] }, { addresses: [{ ip: '127.0.0.1' }] }])))).toEqual([
      'subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`',
      'subsets[1].addresses[0].ip: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
    ])
  })
})

describe('EndpointSlices', () => {
  const slice = (fields: Partial<EndpointSlice>) => objectOf(endpointSlices, { addressType: 'IPv4', ...fields })

  test('give ports a protocol and an empty name', () => {
    expect(slice({ ports: [{ port: 80 }] }).ports).toEqual([{ name: '', port: 80, protocol: 'TCP' }])
  })

  test('show ports and addresses', () => {
    const full = slice({
      ports: [{ port: 80 }, { name: 'b', port: 81 }],
      endpoints: [{ addresses: ['10.0.0.1'] }, { addresses: ['10.0.0.2'] }],
    })
    expect(row(endpointSlices, full)).toEqual(['x', 'IPv4', '80,81', '10.0.0.1,10.0.0.2', '60m'])
    expect(row(endpointSlices, slice({})).slice(2, 4)).toEqual(['<unset>', '<unset>'])
  })

  test('hold addresses of their own family', () => {
    expect(texts(endpointSlices.validate(slice({ endpoints: [{ addresses: ['fd00::1'] }, { addresses: [] }] })))).toEqual([
      'endpoints[0].addresses[0]: Invalid value: "fd00::1": must be a valid IPv4 address',
      'endpoints[1].addresses: Required value: must contain at least 1 address',
    ])
    expect(texts(endpointSlices.validateUpdate(slice({ addressType: 'IPv6' }), slice({})))).toEqual([
      'addressType: Invalid value: "IPv6": field is immutable',
    ])
  })

  test('have hints by zone and node, and names of hosts within domains', () => {
    const endpoint = (fields: object) => texts(endpointSlices.validate(slice({ endpoints: [{ addresses: ['10.0.0.1'], ...fields }] })))
    expect(endpoint({ hints: { forZones: [{ name: 'a' }, { name: 'a' }], forNodes: Array(9).fill({ name: 'n' }) } })).toEqual([
      'endpoints[0].hints.forZones[1].name: Duplicate value: "a"',
      'endpoints[0].hints.forNodes: Too many: 9: must have at most 8 items',
    ])
    const domains = slice({ addressType: 'FQDN', endpoints: [{ addresses: ['a.example.', 'host'] }] })
    expect(texts(endpointSlices.validate(domains))).toEqual([
      'endpoints[0].addresses[1]: Invalid value: "host": should be a domain with at least two segments separated by dots',
    ])
    expect(endpointSlices.warnings(domains, undefined)).toEqual(['spec.addressType: FQDN endpoints are deprecated'])
  })
})

describe('Events', () => {
  const event = (fields: Partial<Event>) =>
    objectOf(events, { involvedObject: { kind: 'Pod', name: 'web', namespace: 'default' }, ...fields })

  test('show when, what and about whom', () => {
    const pulled = event({
      type: 'Normal',
      reason: 'Pulled',
      message: ' done \n',
      firstTimestamp: '2026-03-01T11:00:00Z',
      lastTimestamp: '2026-03-01T11:59:00Z',
      count: 4,
      source: { component: 'kubelet', host: 'a' },
    })
    expect(row(events, pulled)).toEqual(['60s', 'Normal', 'Pulled', 'pod/web', '', 'kubelet, a', 'done', '60m', 4, 'x'])
  })

  test('of the newer form count and date by their series', () => {
    const series = { count: 9, lastObservedTime: '2026-03-01T11:59:30.000000Z' }
    const repeated = event({ eventTime: '2026-03-01T11:00:00.000000Z', series, reportingComponent: 'scheduler' })
    expect(row(events, repeated)).toEqual(['30s', '', '', 'pod/web', '', 'scheduler', '', '60m', 9, 'x'])
  })

  test('live where their object lives', () => {
    expect(texts(events.validate(event({ involvedObject: { kind: 'Pod', name: 'web', namespace: 'other' } })))).toEqual([
      'involvedObject.namespace: Invalid value: "other": does not match event.namespace',
    ])
    expect(events.validate(event({ involvedObject: { kind: 'Node', name: 'a' } }))).toEqual([])
  })
})

test('Leases last some time', () => {
  const lease = (spec: Lease['spec']) => objectOf(leases, { spec })
  expect(texts(leases.validate(lease({ leaseDurationSeconds: 0, leaseTransitions: -1 })))).toEqual([
    'spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0',
    'spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0',
  ])
  expect(row(leases, lease({ holderIdentity: 'node-a' }))).toEqual(['x', 'node-a', '60m'])
})
