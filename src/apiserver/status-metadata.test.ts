import { afterAll, beforeAll, expect, test } from 'vitest'
import { pod, TestServer } from './testing/test-server.ts'

/** What a write to /status does to metadata: as upstream, labels and annotations go along, but for kinds that keep theirs. */
let server: TestServer
beforeAll(async () => {
  server = await TestServer.start()
})
afterAll(() => server.close())

const contentType = 'application/merge-patch+json'
const annotated = { metadata: { annotations: { patched: 'yes' }, labels: { patched: 'yes' } } }
const owners = [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'c', uid: 'u' }]
const namespaced = '/api/v1/namespaces/default'
const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } }
const ingress = { spec: { defaultBackend: { service: { name: 's', port: { number: 80 } } } } }
const attachment = { spec: { attacher: 'a', nodeName: 'n', source: { persistentVolumeName: 'v' } } }

const cases: [string, string, object, readonly string[]][] = [
  ['ingresses', '/apis/networking.k8s.io/v1/namespaces/default/ingresses', ingress, ['annotations', 'labels']],
  ['resourcequotas', `${namespaced}/resourcequotas`, { spec: { hard: { pods: '1' } } }, ['annotations', 'labels']],
  ['pods', `${namespaced}/pods`, pod('x', { nodeName: 'n' }), ['annotations', 'labels']],
  [
    'deployments keep their labels',
    '/apis/apps/v1/namespaces/default/deployments',
    { spec: { selector: { matchLabels: { a: 'b' } }, template } },
    ['annotations'],
  ],
  ['volumeattachments keep all', '/apis/storage.k8s.io/v1/volumeattachments', attachment, []],
]

test.each(cases)('%s', async (_, path, object, changed) => {
  await server.ask('POST', path, { body: { ...object, metadata: { name: 'x' } } })
  const { code, object: answer } = await server.ask('PATCH', `${path}/x/status`, { contentType, body: annotated })
  expect(code).toBe(200)
  for (const field of ['annotations', 'labels'] as const)
    expect(answer.metadata[field] ?? {}, field).toEqual(changed.includes(field) ? { patched: 'yes' } : {})
  expect(answer.metadata.generation ?? 1).toBe(1)
})

test('what only the server writes stays, and what goes along is checked', async () => {
  const path = `${namespaced}/pods/x`
  const before = (await server.ask('GET', path)).object.metadata
  const body = { metadata: { uid: before.uid, generation: 9, creationTimestamp: '2001-01-01T00:00:00Z', ownerReferences: owners } }
  const { metadata } = (await server.ask('PATCH', `${path}/status`, { contentType, body })).object
  const { uid, generation, creationTimestamp, ownerReferences } = metadata
  expect({ uid, generation, creationTimestamp }).toEqual({ uid: before.uid, generation: 1, creationTimestamp: before.creationTimestamp })
  expect(ownerReferences).toBeUndefined()
  const wrong = { metadata: { labels: { 'not a label': 'x' } } }
  expect(await server.refusal('PATCH', `${path}/status`, { contentType, body: wrong })).toMatch(/^422 .*metadata.labels: Invalid value/)
})
