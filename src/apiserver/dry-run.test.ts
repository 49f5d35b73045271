import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ApiRequest } from '../machinery/api-request.ts'
import { pod, TestServer } from './testing/test-server.ts'

let server: TestServer
const core = '/api/v1/namespaces/default'
const deployments = '/apis/apps/v1/namespaces/default/deployments'
const requests = '/apis/certificates.k8s.io/v1/certificatesigningrequests'
const types = {
  merge: 'application/merge-patch+json',
  json: 'application/json-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  apply: 'application/apply-patch+yaml',
}
const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } }
const deployment = { metadata: { name: 'web' }, spec: { selector: { matchLabels: { a: 'b' } }, template } }
const stored = async (url: string): Promise<object> => (await server.ask('GET', url)).object

beforeAll(async () => {
  server = await TestServer.start()
  const make = (url: string, body: object) => server.ask('POST', url, { body })
  const status = async (url: string, fields: object) =>
    server.ask('PUT', `${url}/status`, { body: { ...(await stored(url)), status: fields } })
  await make(`${core}/configmaps`, { metadata: { name: 'map' }, data: { a: '1' } })
  await make(`${core}/services`, { metadata: { name: 'svc' }, spec: { type: 'NodePort', ports: [{ port: 80 }] } })
  await make(deployments, deployment)
  const labelled = (name: string): object => ({ ...pod(name, { nodeName: 'n1' }), metadata: { name, labels: { a: 'b' } } })
  await make(`${core}/pods`, labelled('running'))
  await make(`${core}/pods`, pod('pending'))
  await status(`${core}/pods/running`, { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] })
  await make('/apis/policy/v1/namespaces/default/poddisruptionbudgets', {
    metadata: { name: 'pdb' },
    spec: { minAvailable: 1, selector: { matchLabels: { a: 'b' } } },
  })
  await status('/apis/policy/v1/namespaces/default/poddisruptionbudgets/pdb', {
    observedGeneration: 1,
    disruptionsAllowed: 1,
    currentHealthy: 2,
    desiredHealthy: 1,
    expectedPods: 2,
  })
  await make(`${core}/resourcequotas`, { metadata: { name: 'quota' }, spec: { hard: { configmaps: '10', 'services.nodeports': '10' } } })
  await status(`${core}/resourcequotas/quota`, {
    hard: { configmaps: '10', 'services.nodeports': '10' },
    used: { configmaps: '1', 'services.nodeports': '1' },
  })
  await make(`${core}/serviceaccounts`, { metadata: { name: 'robot' } })
  await make('/api/v1/namespaces', { metadata: { name: 'ending' } })
  await make('/api/v1/nodes', { metadata: { name: 'n1' } })
})
afterAll(() => server.close())

type Case = [string, ApiRequest['method'], string, (string | undefined)?, (unknown | (() => Promise<unknown>))?, number?]
test.each<Case>([
  ['create', 'POST', `${core}/configmaps`, undefined, { metadata: { name: 'new' } }, 201],
  ['create with a name of the server’s', 'POST', `${core}/configmaps`, undefined, { metadata: { generateName: 'new-' } }, 201],
  ['create, of a name that is taken', 'POST', `${core}/configmaps`, undefined, { metadata: { name: 'map' } }, 409],
  ['create, of what is not sound', 'POST', `${core}/configmaps`, undefined, { metadata: { name: 'Bad Name' } }, 422],
  [
    'create, with an address and a node port',
    'POST',
    `${core}/services`,
    undefined,
    { metadata: { name: 'new' }, spec: { type: 'NodePort', ports: [{ port: 80 }] } },
    201,
  ],
  ['update', 'PUT', `${core}/configmaps/map`, undefined, { metadata: { name: 'map' }, data: { a: '2' } }],
  [
    'an update that takes a port',
    'PATCH',
    `${core}/services/svc`,
    types.merge,
    {
      spec: {
        ports: [
          { name: 'a', port: 80 },
          { name: 'b', port: 81 },
        ],
      },
    },
  ],
  ['a merge patch', 'PATCH', `${core}/configmaps/map`, types.merge, { data: { a: '2' } }],
  ['a JSON patch', 'PATCH', `${core}/configmaps/map`, types.json, [{ op: 'replace', path: '/data/a', value: '2' }]],
  ['a strategic patch', 'PATCH', `${core}/configmaps/map`, types.strategic, { data: { a: '2' } }],
  [
    'apply, of what is there',
    'PATCH',
    `${core}/configmaps/map?fieldManager=me&force=true`,
    types.apply,
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'map' }, data: { a: '3' } },
  ],
  [
    'apply, of what is not',
    'PATCH',
    `${core}/configmaps/other?fieldManager=me`,
    types.apply,
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'other' } },
    201,
  ],
  ['status', 'PATCH', `${core}/pods/running/status`, types.merge, { status: { phase: 'Failed' } }],
  [
    'scale',
    'PUT',
    `${deployments}/web/scale`,
    undefined,
    () => stored(`${deployments}/web/scale`).then((scale) => ({ ...scale, spec: { replicas: 5 } })),
  ],
  ['scale by a patch', 'PATCH', `${deployments}/web/scale`, types.merge, { spec: { replicas: 5 } }],
  [
    'ephemeral containers',
    'PATCH',
    `${core}/pods/running/ephemeralcontainers`,
    types.strategic,
    { spec: { ephemeralContainers: [{ name: 'd', image: 'i' }] } },
  ],
  [
    'binding',
    'POST',
    `${core}/pods/pending/binding`,
    undefined,
    { metadata: { name: 'pending' }, target: { kind: 'Node', name: 'n1' } },
    201,
  ],
  [
    'eviction',
    'POST',
    `${core}/pods/running/eviction`,
    undefined,
    { metadata: { name: 'running' }, deleteOptions: { dryRun: ['All'] } },
    201,
  ],
  ['token', 'POST', `${core}/serviceaccounts/robot/token`, undefined, { spec: {} }, 201],
  ['delete', 'DELETE', `${core}/configmaps/map`],
  ['delete, said in the body', 'DELETE', `${core}/configmaps/map`, undefined, { dryRun: ['All'] }],
  ['a graceful deletion', 'DELETE', `${core}/pods/running`],
  ['a foreground deletion', 'DELETE', `${deployments}/web?propagationPolicy=Foreground`],
  ['an orphaning deletion', 'DELETE', `${deployments}/web?propagationPolicy=Orphan`],
  ['the deletion of a Service', 'DELETE', `${core}/services/svc`],
  ['the deletion of a Namespace', 'DELETE', '/api/v1/namespaces/ending'],
  ['a collection', 'DELETE', `${core}/configmaps`],
  ['cordoning a node', 'PATCH', '/api/v1/nodes/n1', types.merge, { spec: { unschedulable: true } }],
  [
    'an update of the finalizers of a Namespace',
    'PUT',
    '/api/v1/namespaces/ending/finalize',
    undefined,
    () => stored('/api/v1/namespaces/ending').then((namespace) => ({ ...namespace, spec: {} })),
  ],
  ['a request for a certificate', 'POST', requests, undefined, { metadata: { name: 'csr' }, spec: {} }, 422],
])('a dry run of %s writes nothing', async (_, method, url, contentType, given, code = 200) => {
  const body = typeof given === 'function' ? await (given as () => Promise<unknown>)() : given
  const before = await server.store.revision()
  const answer = await server.ask(method, `${url}${url.includes('?') ? '&' : '?'}dryRun=All`, {
    body,
    ...(contentType ? { contentType } : {}),
  })
  expect([answer.code, answer.object]).toEqual([code, expect.anything()])
  expect(await server.store.revision()).toBe(before)
})

test('the answer is what would have been stored', async () => {
  const made = (
    await server.ask('POST', `${core}/services?dryRun=All`, { body: { metadata: { generateName: 'x-' }, spec: { ports: [{ port: 80 }] } } })
  ).object
  expect(made.metadata.name).toMatch(/^x-[a-z0-9]{5}$/)
  expect(made.metadata).toMatchObject({ uid: expect.any(String), creationTimestamp: expect.any(String) })
  expect(made.spec.clusterIP).toMatch(/^10\.96\./)
  const marked = (await server.ask('DELETE', `${core}/pods/running?dryRun=All&gracePeriodSeconds=7`)).object
  expect(marked.metadata).toMatchObject({ deletionGracePeriodSeconds: 7, deletionTimestamp: expect.any(String) })
})
