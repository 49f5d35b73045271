import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Kind } from '../api/kind.ts'
import { kindFor, kinds } from '../api/registry.ts'
import { selectionOf } from './selection.ts'
import { pod, TestServer } from './testing/test-server.ts'

const involved = (prefix: string): string[] =>
  ['kind', 'namespace', 'name', 'uid', 'apiVersion', 'resourceVersion', 'fieldPath'].map((field) => `${prefix}.${field}`)

/** https://kubernetes.io/docs/concepts/overview/working-with-objects/field-selectors/#list-of-supported-fields, and what upstream's conversions know beside it. */
const documented: Readonly<Record<string, readonly string[]>> = {
  'v1/pods': [
    ...['spec.nodeName', 'spec.host', 'spec.restartPolicy', 'spec.schedulerName', 'spec.serviceAccountName', 'spec.hostNetwork'],
    ...['status.phase', 'status.podIP', 'status.podIPs', 'status.nominatedNodeName'],
  ],
  'v1/events': [...involved('involvedObject'), 'reason', 'reportingComponent', 'source', 'type'],
  'events.k8s.io/v1/events': [...involved('regarding'), 'reason', 'reportingController', 'source', 'type'],
  'v1/secrets': ['type'],
  'v1/namespaces': ['status.phase'],
  'v1/nodes': ['spec.unschedulable'],
  'v1/services': ['spec.clusterIP', 'spec.type'],
  'v1/replicationcontrollers': ['status.replicas'],
  'apps/v1/replicasets': ['status.replicas'],
  'batch/v1/jobs': ['status.successful'],
  'certificates.k8s.io/v1/certificatesigningrequests': ['spec.signerName'],
  'certificates.k8s.io/v1beta1/clustertrustbundles': ['spec.signerName'],
  'certificates.k8s.io/v1/podcertificaterequests': ['spec.signerName', 'spec.podName', 'spec.nodeName'],
  'resource.k8s.io/v1/resourceslices': ['spec.nodeName', 'spec.driver'],
}
const pathOf = ({ group, version, plural }: Kind): string => [...(group ? [group] : []), version, plural].join('/')
const ownFields = (kind: Kind): readonly string[] =>
  documented[pathOf(kind)] ??
  Object.entries(documented).find(([path]) => path.endsWith(`/${kind.plural}`) && path.startsWith(`${kind.group}/`))?.[1] ??
  []

describe.each(kinds.map((kind) => [pathOf(kind), kind] as const))('%s', (_, kind) => {
  test('can be selected by the fields that are documented, and by no others', () => {
    expect(Object.keys(kind.selectableFields).toSorted()).toEqual([...ownFields(kind)].toSorted())
    for (const field of ['metadata.name', ...ownFields(kind)]) expect(() => selectionOf(kind, '', `${field}=x`)).not.toThrow()
    expect(() => selectionOf(kind, '', 'spec.made.up=x')).toThrow(/made\.up/)
  })
})

test.each<[string, string, string]>([
  ['v1', 'configmaps', '"spec.x" is not a known field selector: only "metadata.name", "metadata.namespace"'],
  ['v1', 'persistentvolumes', '"spec.x" is not a known field selector: only "metadata.name", "metadata.namespace"'],
  ['v1', 'pods', 'field label not supported: spec.x'],
  ['v1', 'nodes', 'field label not supported: spec.x'],
  ['batch/v1', 'jobs', 'field label "spec.x" not supported for batchv1.Job'],
  ['resource.k8s.io/v1', 'resourceslices', 'field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: spec.x'],
])('of a field that is not known, %s %s says what upstream says', (apiVersion, plural, message) => {
  const [group, version] = apiVersion.includes('/') ? (apiVersion.split('/') as [string, string]) : ['', apiVersion]
  expect(() => selectionOf(kindFor(group, version, plural) as Kind, '', 'spec.x=1')).toThrow(message)
})

test('the namespace is no field of kinds that have fields of their own and are in none', () => {
  const nodes = kindFor('', 'v1', 'nodes') as Kind
  expect(() => selectionOf(nodes, '', 'metadata.namespace=a')).toThrow('field label not supported: metadata.namespace')
  expect(() => selectionOf(kindFor('', 'v1', 'persistentvolumes') as Kind, '', 'metadata.namespace=a')).not.toThrow()
})

describe('over the API', () => {
  let server: TestServer
  const base = '/api/v1/namespaces/default'
  beforeAll(async () => {
    server = await TestServer.start()
    await server.ask('POST', `${base}/pods`, { body: pod('a', { nodeName: 'n1', restartPolicy: 'Never', hostNetwork: true }) })
    const { object } = await server.ask('POST', `${base}/pods`, {
      body: pod('b', { serviceAccountName: 'default', schedulerName: 'mine' }),
    })
    const status = { phase: 'Running', podIP: '10.1.2.3', podIPs: [{ ip: '10.1.2.3' }], nominatedNodeName: 'n2' }
    await server.ask('PUT', `${base}/pods/b/status`, { body: { ...object, status } })
    await server.ask('POST', `${base}/services`, {
      body: { metadata: { name: 'headless' }, spec: { clusterIP: 'None', selector: { a: 'b' } } },
    })
    await server.ask('POST', `${base}/secrets`, { body: { metadata: { name: 's' }, type: 'example.com/x' } })
    await server.ask('POST', '/api/v1/nodes', { body: { metadata: { name: 'n1' }, spec: { unschedulable: true } } })
    await server.ask('POST', '/api/v1/nodes', { body: { metadata: { name: 'n2' } } })
    await server.ask('POST', `${base}/events`, {
      body: {
        metadata: { name: 'e' },
        involvedObject: { kind: 'Pod', namespace: 'default', name: 'a' },
        reason: 'Started',
        type: 'Normal',
        source: { component: 'kubelet' },
      },
    })
  })
  afterAll(() => server.close())

  test.each<[string, string, string[]]>([
    [`${base}/pods`, 'spec.nodeName=n1', ['a']],
    [`${base}/pods`, 'spec.host=n1', ['a']],
    [`${base}/pods`, 'spec.nodeName!=n1', ['b']],
    [`${base}/pods`, 'spec.nodeName=', ['b']],
    [`${base}/pods`, 'spec.restartPolicy=Never', ['a']],
    [`${base}/pods`, 'spec.schedulerName=mine', ['b']],
    [`${base}/pods`, 'spec.serviceAccountName=default', ['a', 'b']],
    [`${base}/pods`, 'spec.hostNetwork=true', ['a']],
    [`${base}/pods`, 'status.phase=Running', ['b']],
    [`${base}/pods`, 'status.podIP==10.1.2.3', ['b']],
    [`${base}/pods`, 'status.nominatedNodeName=n2', ['b']],
    ['/api/v1/pods', 'metadata.namespace=default,metadata.name=b', ['b']],
    ['/api/v1/pods', 'metadata.namespace!=default', []],
    [`${base}/services`, 'spec.clusterIP=None', ['headless']],
    [`${base}/services`, 'spec.type=ClusterIP,metadata.name!=kubernetes', ['headless']],
    [`${base}/secrets`, 'type=example.com/x', ['s']],
    ['/api/v1/nodes', 'spec.unschedulable=true', ['n1']],
    ['/api/v1/nodes', 'spec.unschedulable=false', ['n2']],
    ['/api/v1/namespaces', 'status.phase=Terminating', []],
    [`${base}/events`, 'involvedObject.kind=Pod,involvedObject.name=a', ['e']],
    [`${base}/events`, 'reason=Started,type=Normal,source=kubelet', ['e']],
    ['/apis/events.k8s.io/v1/events', 'regarding.name=a,reason=Started', ['e']],
    ['/api/v1/persistentvolumes', 'metadata.namespace=default', []],
  ])('%s by %s', async (url, selector, names) => {
    const { object } = await server.ask('GET', `${url}?fieldSelector=${encodeURIComponent(selector)}`)
    expect(object.items.map(({ metadata }) => metadata.name)).toEqual(names)
  })

  test('one that is not known is refused, in lists, watches and collections alike', async () => {
    const query = '?fieldSelector=regarding.name%3Da'
    const said = '400 field label not supported: regarding.name'
    expect(await server.refusal('GET', `${base}/events${query}`)).toBe(said)
    expect(await server.refusal('GET', `${base}/events${query}&watch=true`)).toBe(said)
    expect(await server.refusal('DELETE', `${base}/events${query}`)).toBe(said)
    expect(await server.refusal('GET', '/apis/events.k8s.io/v1/events?fieldSelector=involvedObject.name%3Da')).toBe(
      '400 field label not supported: involvedObject.name',
    )
  })
})
