import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { admin, pod, TestServer } from './testing/test-server.ts'

let server: TestServer
beforeAll(async () => {
  server = await TestServer.start({ advertiseAddress: '192.0.2.10' })
})
afterAll(() => server.close())

const pods = '/api/v1/namespaces/default/pods'
const configMaps = '/api/v1/namespaces/default/configmaps'
const deployments = '/apis/apps/v1/namespaces/default/deployments'
const configMap = (name: string, data: Record<string, string> = {}, metadata: object = {}): object => ({
  metadata: { name, ...metadata },
  data,
})
const deployment = (name: string): object => ({
  metadata: { name },
  spec: {
    replicas: 2,
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
  },
})

describe('a new cluster', () => {
  test('has its namespaces', async () => {
    const { object } = await server.ask('GET', '/api/v1/namespaces')
    expect(object.items.map((item) => item.metadata.name)).toEqual(['default', 'kube-node-lease', 'kube-public', 'kube-system'])
  })
  test('has the kubernetes Service at the first address, with this server behind it', async () => {
    const service = (await server.ask('GET', '/api/v1/namespaces/default/services/kubernetes')).object
    expect(service.spec).toMatchObject({ clusterIP: '10.96.0.1', clusterIPs: ['10.96.0.1'], ipFamilies: ['IPv4'], type: 'ClusterIP' })
    const slice = (await server.ask('GET', '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes')).object
    expect(slice).toMatchObject({ endpoints: [{ addresses: ['192.0.2.10'] }], ports: [{ port: 6443 }] })
  })
})

describe('an object', () => {
  test('is created with what the server sets, and only that of what it asked for', async () => {
    const body = { metadata: { name: 'made', uid: 'mine', creationTimestamp: '2001-01-01T00:00:00Z', generation: 7 }, data: { a: '1' } }
    const { code, object } = await server.ask('POST', configMaps, { body })
    expect(code).toBe(201)
    expect(object).toMatchObject({ apiVersion: 'v1', kind: 'ConfigMap', data: { a: '1' } })
    expect(object.metadata.uid).toMatch(/^[0-9a-f-]{36}$/)
    expect(object.metadata.creationTimestamp).not.toContain('2001')
    expect(object.metadata.generation).toBeUndefined()
    expect(await server.refusal('POST', configMaps, { body })).toBe('409 configmaps "made" already exists')
  })

  test('gets a generated name', async () => {
    const { object } = await server.ask('POST', configMaps, { body: { metadata: { generateName: 'gen-' } } })
    expect(object.metadata.name).toMatch(/^gen-[a-z0-9]{5}$/)
    expect(await server.refusal('POST', configMaps, { body: { data: {} } })).toMatch(
      /metadata.name: Required value: name or generateName is required/,
    )
  })

  test('is replaced only by those who have seen its newest state', async () => {
    const made = (await server.ask('POST', configMaps, { body: configMap('put', { a: '1' }) })).object
    const next = { ...made, data: { a: '2' } }
    const replaced = (await server.ask('PUT', `${configMaps}/put`, { body: next })).object
    expect(replaced.data).toEqual({ a: '2' })
    expect(await server.refusal('PUT', `${configMaps}/put`, { body: { ...next, data: { a: '3' } } })).toBe(
      '409 Operation cannot be fulfilled on configmaps "put": the object has been modified; please apply your changes to the latest version and try again',
    )
    const same = (await server.ask('PUT', `${configMaps}/put`, { body: replaced })).object
    expect(same.metadata.resourceVersion).toBe(replaced.metadata.resourceVersion)
    expect(await server.refusal('PUT', `${configMaps}/absent`, { body: configMap('absent') })).toBe('404 configmaps "absent" not found')
    expect(await server.refusal('PUT', `${configMaps}/put`, { body: configMap('other') })).toBe(
      '400 the name of the object (other) does not match the name on the URL (put)',
    )
  })

  test('is patched in three ways; a dry run changes nothing', async () => {
    await server.ask('POST', configMaps, { body: configMap('patched', { a: '1', b: '2' }) })
    const url = `${configMaps}/patched`
    const merge = 'application/merge-patch+json'
    expect((await server.ask('PATCH', `${url}?dryRun=All`, { contentType: merge, body: { data: { a: 'dry' } } })).object.data.a).toBe('dry')
    expect((await server.ask('PATCH', url, { contentType: merge, body: { data: { a: null } } })).object.data).toEqual({ b: '2' })
    const json = [{ op: 'replace', path: '/data/b', value: '3' }]
    expect((await server.ask('PATCH', url, { contentType: 'application/json-patch+json', body: json })).object.data).toEqual({ b: '3' })
    const strategic = 'application/strategic-merge-patch+json'
    expect(
      (await server.ask('PATCH', url, { contentType: strategic, body: { metadata: { labels: { x: 'y' } } } })).object.metadata.labels,
    ).toEqual({ x: 'y' })
    expect(await server.refusal('PATCH', url, { contentType: 'text/plain', body: {} })).toMatch(/^415 /)
    expect(await server.refusal('PATCH', url, { contentType: merge, body: { metadata: { resourceVersion: '1' } } })).toMatch(/^409 /)
  })

  test('patched by many at once keeps what each of them wrote', async () => {
    await server.ask('POST', configMaps, { body: configMap('busy') })
    const writers = Array.from({ length: 5 }, (_, index) => ({ data: { [`k${index}`]: 'v' } }))
    await Promise.all(
      writers.map((body) => server.ask('PATCH', `${configMaps}/busy`, { contentType: 'application/merge-patch+json', body })),
    )
    expect(Object.keys((await server.ask('GET', `${configMaps}/busy`)).object.data)).toHaveLength(5)
  })

  test('counts generations of its spec; status and spec are written apart', async () => {
    await server.ask('POST', deployments, { body: deployment('gen') })
    const url = `${deployments}/gen`
    const merge = 'application/merge-patch+json'
    const scaled = (await server.ask('PATCH', url, { contentType: merge, body: { spec: { replicas: 3 }, status: { replicas: 9 } } })).object
    expect(scaled.metadata.generation).toBe(2)
    expect(scaled.status?.replicas).toBeUndefined()
    const status = (
      await server.ask('PATCH', `${url}/status`, { contentType: merge, body: { spec: { replicas: 8 }, status: { replicas: 3 } } })
    ).object
    expect(status).toMatchObject({ metadata: { generation: 2 }, spec: { replicas: 3 }, status: { replicas: 3 } })
  })

  test('is scaled through its scale subresource', async () => {
    await server.ask('POST', deployments, { body: deployment('scaled') })
    const url = `${deployments}/scaled/scale`
    const scale = (await server.ask('GET', url)).object
    expect(scale).toMatchObject({ kind: 'Scale', apiVersion: 'autoscaling/v1', spec: { replicas: 2 }, status: { selector: 'app=scaled' } })
    expect((await server.ask('PUT', url, { body: { ...scale, spec: { replicas: 5 } } })).object.spec).toEqual({ replicas: 5 })
    expect(await server.refusal('PUT', url, { body: { ...scale, spec: { replicas: 6 } } })).toMatch(/^409 /)
    expect(await server.refusal('PATCH', url, { contentType: 'application/merge-patch+json', body: { spec: { replicas: -1 } } })).toBe(
      '422 Scale.autoscaling "scaled" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0',
    )
  })
})

describe('what comes in wrong', () => {
  const cases: readonly [name: string, method: 'GET' | 'POST' | 'PUT' | 'DELETE', url: string, body: unknown, refusal: RegExp][] = [
    ['an unknown path', 'GET', '/nowhere', undefined, /^404 the server could not find the requested resource$/],
    ['an unknown resource', 'GET', '/api/v1/widgets', undefined, /^404 the server could not find the requested resource$/],
    ['a path that is no text', 'GET', '/api/v1/namespaces/%E0%A4%A', undefined, /^404 /],
    ['a missing object', 'GET', `${configMaps}/none`, undefined, /^404 configmaps "none" not found$/],
    ['a missing namespace', 'POST', '/api/v1/namespaces/nope/configmaps', configMap('a'), /^404 namespaces "nope" not found$/],
    [
      'another namespace',
      'POST',
      configMaps,
      configMap('a', {}, { namespace: 'x' }),
      /^400 the namespace of the provided object does not match/,
    ],
    ['another kind', 'POST', configMaps, { ...pod('a') }, /^400 Pod in version "v1" cannot be handled as a ConfigMap/],
    [
      'another version',
      'POST',
      deployments,
      { apiVersion: 'apps/v1beta1', kind: 'Deployment', metadata: { name: 'a' } },
      /^400 the API version in the data \(apps\/v1beta1\) does not match/,
    ],
    ['no JSON', 'POST', configMaps, '{"metadata":', /^400 /],
    ['a wrong type', 'POST', configMaps, { metadata: { name: 'a' }, data: 3 }, /^400 .*cannot unmarshal number/],
    ['a bad name', 'POST', configMaps, configMap('Bad_Name'), /^422 ConfigMap "Bad_Name" is invalid: metadata.name: Invalid value/],
    [
      'an unknown field, strictly',
      'POST',
      `${configMaps}?fieldValidation=Strict`,
      { metadata: { name: 'a' }, dat: {} },
      /^400 .*unknown field "dat"/,
    ],
    ['a bad label selector', 'GET', `${configMaps}?labelSelector=a%3D%3D%3D`, undefined, /^400 /],
    [
      'a field nobody selects by',
      'GET',
      `${configMaps}?fieldSelector=data.x%3D1`,
      undefined,
      /^400 "data.x" is not a known field selector: only "metadata.name", "metadata.namespace"$/,
    ],
    [
      'a made-up version',
      'GET',
      `${configMaps}?resourceVersion=abc`,
      undefined,
      /^400 invalid resource version: resourceVersion: Invalid value: "abc"/,
    ],
    [
      'a made-up continue',
      'GET',
      `${configMaps}?limit=1&continue=xyz`,
      undefined,
      /^400 invalid continue token: continue key is not valid/,
    ],
    ['a continue that is null', 'GET', `${configMaps}?limit=1&continue=bnVsbA`, undefined, /^400 .*continue key is not valid/],
    ['what lies below a document', 'GET', '/version/more', undefined, /^404 /],
    ['a method that a subresource has not', 'PUT', '/api/v1/namespaces/default/pods/web/log', {}, /^405 /],
    [
      'a wrong dry run',
      'POST',
      `${configMaps}?dryRun=Some`,
      configMap('a'),
      /^422 .*dryRun: Unsupported value: \["Some"\]: supported values: "All"/,
    ],
    ['a post to an object', 'POST', `${configMaps}/a`, configMap('a'), /^405 /],
    [
      'deleting a namespace the cluster stands on',
      'DELETE',
      '/api/v1/namespaces/default',
      undefined,
      /^403 namespaces "default" is forbidden: this namespace may not be deleted$/,
    ],
  ]
  test.each(cases)('%s', async (_name, method, url, body, refusal) => {
    expect(await server.refusal(method, url, { body })).toMatch(refusal)
  })
  test('an unknown field is dropped with a warning, as kubectl shows it', async () => {
    const { code, warnings } = await server.ask('POST', `${configMaps}?dryRun=All`, { body: { metadata: { name: 'warned' }, dat: {} } })
    expect({ code, warnings }).toEqual({ code: 201, warnings: ['unknown field "dat"'] })
  })
  test('a form that nobody speaks cannot be answered', async () => {
    expect(await server.refusal('GET', configMaps, { accept: 'application/cbor' })).toMatch(/^406 /)
  })
})

describe('lists', () => {
  test('come in pages of one snapshot, filtered, in order of names', async () => {
    await server.ask('POST', '/api/v1/namespaces', { body: { metadata: { name: 'paged' } } })
    const url = '/api/v1/namespaces/paged/configmaps'
    for (const name of ['c', 'a', 'b', 'd', 'e'])
      await server.ask('POST', url, { body: configMap(name, {}, { labels: { odd: String('ace'.includes(name)) } }) })
    const first = (await server.ask('GET', `${url}?limit=2`)).object
    await server.ask('DELETE', `${url}/c`)
    const { continue: token = '', remainingItemCount } = first.metadata as { continue?: string; remainingItemCount?: number }
    expect(remainingItemCount).toBe(3)
    const second = (await server.ask('GET', `${url}?limit=2&continue=${token}`)).object
    expect([...first.items, ...second.items].map((item) => item.metadata.name)).toEqual(['a', 'b', 'c', 'd'])
    expect(second.metadata.resourceVersion).toBe(first.metadata.resourceVersion)
    const odd = (await server.ask('GET', `${url}?limit=1&labelSelector=odd%3Dtrue`)).object
    expect(odd.items.map((item) => item.metadata.name)).toEqual(['a'])
    const exact = (await server.ask('GET', `${url}?resourceVersion=${first.metadata.resourceVersion}&resourceVersionMatch=Exact`)).object
    expect(exact.items).toHaveLength(5)
    await server.store.compact(await server.store.revision())
    expect(await server.refusal('GET', `${url}?limit=2&continue=${token}`)).toMatch(/^410 The provided continue parameter is too old/)
  })

  test('of one namespace do not show another whose name begins alike', async () => {
    for (const name of ['pre', 'pre2']) {
      await server.ask('POST', '/api/v1/namespaces', { body: { metadata: { name } } })
      await server.ask('POST', `/api/v1/namespaces/${name}/configmaps`, { body: configMap(`in-${name}`) })
    }
    const { object } = await server.ask('GET', '/api/v1/namespaces/pre/configmaps')
    expect(object.items.map((item) => item.metadata.name)).toEqual(['in-pre'])
  })

  test('come as tables and as metadata', async () => {
    const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json'
    const table = (await server.ask('GET', '/api/v1/namespaces', { accept })).object as unknown as {
      kind: string
      rows: { cells: unknown[]; object: object }[]
    }
    expect(table.kind).toBe('Table')
    expect(table.rows[0]).toMatchObject({ cells: ['default', 'Active', expect.any(String)], object: { kind: 'PartialObjectMetadata' } })
    const partial = (
      await server.ask('GET', '/api/v1/namespaces', { accept: 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io' })
    ).object
    expect(partial.kind).toBe('PartialObjectMetadataList')
    expect(Object.keys(partial.items[0] as object)).toEqual(['kind', 'apiVersion', 'metadata'])
  })
})

describe('who may do what', () => {
  const node = { name: 'system:node:n1', uid: '', groups: ['system:nodes', 'system:authenticated'], extra: {} }
  const anonymous = { name: 'system:anonymous', uid: '', groups: ['system:unauthenticated'], extra: {} }
  const nobody = { name: 'jane', uid: '', groups: ['system:authenticated'], extra: {} }
  test('is said in the words of Kubernetes', async () => {
    expect(await server.refusal('GET', pods, { user: nobody })).toBe(
      '403 pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "default"',
    )
    expect(await server.refusal('GET', '/api/v1/nodes/n1', { user: nobody })).toBe(
      '403 nodes "n1" is forbidden: User "jane" cannot get resource "nodes" in API group "" at the cluster scope',
    )
    expect(await server.refusal('GET', '/api', { user: anonymous })).toBe('403 forbidden: User "system:anonymous" cannot get path "/api"')
    expect((await server.ask('GET', '/version', { user: anonymous })).code).toBe(200)
    expect((await server.ask('GET', '/apis', { user: nobody })).code).toBe(200)
  })
  test('a node minds itself and its own pods', async () => {
    await server.ask('POST', pods, { body: pod('on-n1', { nodeName: 'n1' }) })
    await server.ask('POST', pods, { body: pod('on-n2', { nodeName: 'n2' }) })
    const contentType = 'application/merge-patch+json'
    const body = { status: { phase: 'Running' } }
    expect((await server.ask('PATCH', `${pods}/on-n1/status`, { user: node, contentType, body })).code).toBe(200)
    expect(await server.refusal('PATCH', `${pods}/on-n2/status`, { user: node, contentType, body })).toMatch(/^403 /)
    expect((await server.ask('POST', '/api/v1/nodes', { user: node, body: { metadata: { name: 'n1' } } })).code).toBe(201)
    expect(await server.refusal('PATCH', '/api/v1/nodes/n2/status', { user: node, contentType, body: {} })).toMatch(/^403 /)
    expect(await server.refusal('POST', pods, { user: node, body: pod('rogue') })).toMatch(/^403 /)
  })
  test('the admin group may do all', () => expect(admin.groups).toContain('system:masters'))
})

test('health, version and discovery', async () => {
  const text = async (url: string): Promise<unknown> => {
    const answer = await server.raw('GET', url)
    return answer.type === 'text' ? answer.text : answer
  }
  expect(await text('/readyz')).toBe('ok')
  expect(await text('/livez?verbose')).toBe('[+]ping ok\n[+]etcd ok\nlivez check passed\n')
  expect(await text('/metrics')).toContain('apiserver_request_total{verb="LIST"')
  expect((await server.ask('GET', '/version')).object).toMatchObject({ major: '1', minor: '37' })
  const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json'
  expect((await server.ask('GET', '/apis', { accept })).object.kind).toBe('APIGroupDiscoveryList')
  const resources = (await server.ask('GET', '/apis/policy/v1')).object as unknown as { resources: { name: string }[] }
  expect(resources.resources.map((one) => one.name)).toEqual(['poddisruptionbudgets', 'poddisruptionbudgets/status'])
})
