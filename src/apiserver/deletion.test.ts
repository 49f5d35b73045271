import { afterAll, beforeAll, expect, test } from 'vitest'
import { pod, TestServer } from './testing/test-server.ts'

let server: TestServer
beforeAll(async () => {
  server = await TestServer.start()
})
afterAll(() => server.close())

const pods = '/api/v1/namespaces/default/pods'
const configMaps = '/api/v1/namespaces/default/configmaps'
const merge = 'application/merge-patch+json'

test('a pod on a node ends gracefully: it goes when its kubelet says so', async () => {
  await server.ask('POST', pods, { body: pod('graceful', { nodeName: 'n1' }) })
  const marked = (await server.ask('DELETE', `${pods}/graceful`, { body: { gracePeriodSeconds: 20 } })).object
  expect(marked.metadata.deletionGracePeriodSeconds).toBe(20)
  const shorter = (await server.ask('DELETE', `${pods}/graceful?gracePeriodSeconds=5`)).object
  expect(shorter.metadata.deletionGracePeriodSeconds).toBe(5)
  expect(Date.parse(shorter.metadata.deletionTimestamp as string)).toBeLessThan(Date.parse(marked.metadata.deletionTimestamp as string))
  expect((await server.ask('DELETE', `${pods}/graceful?gracePeriodSeconds=30`)).object.metadata.deletionGracePeriodSeconds).toBe(5)
  await server.ask('DELETE', `${pods}/graceful?gracePeriodSeconds=0`)
  expect(await server.refusal('GET', `${pods}/graceful`)).toMatch(/^404/)
})

test('a pod without a node goes at once; an evicted one gracefully', async () => {
  await server.ask('POST', pods, { body: pod('pending') })
  await server.ask('DELETE', `${pods}/pending`)
  expect(await server.refusal('GET', `${pods}/pending`)).toMatch(/^404/)
  await server.ask('POST', pods, { body: pod('evicted', { nodeName: 'n1' }) })
  expect((await server.ask('POST', `${pods}/evicted/eviction`, { body: { metadata: { name: 'evicted' } } })).code).toBe(201)
  expect((await server.ask('GET', `${pods}/evicted`)).object.metadata.deletionGracePeriodSeconds).toBe(30)
})

test('finalizers keep an object until the last is gone', async () => {
  await server.ask('POST', configMaps, { body: { metadata: { name: 'held', finalizers: ['example.com/hold'] } } })
  expect((await server.ask('DELETE', `${configMaps}/held`)).object.metadata.deletionTimestamp).toBeDefined()
  const more = { metadata: { finalizers: ['example.com/hold', 'example.com/more'] } }
  expect(await server.refusal('PATCH', `${configMaps}/held`, { contentType: merge, body: more })).toMatch(
    /^422 .*no new finalizers can be added/,
  )
  const last = await server.ask('PATCH', `${configMaps}/held`, { contentType: merge, body: { metadata: { finalizers: null } } })
  expect(last.object.metadata.finalizers).toBeUndefined()
  expect(await server.refusal('GET', `${configMaps}/held`)).toMatch(/^404/)
})

test('foreground and orphan deletion leave word for the garbage collector', async () => {
  for (const [policy, finalizer] of [
    ['Foreground', 'foregroundDeletion'],
    ['Orphan', 'orphan'],
  ] as const) {
    await server.ask('POST', configMaps, { body: { metadata: { name: 'owner' } } })
    const marked = (await server.ask('DELETE', `${configMaps}/owner`, { body: { propagationPolicy: policy } })).object
    expect(marked.metadata.finalizers).toEqual([finalizer])
    await server.ask('PATCH', `${configMaps}/owner`, { contentType: merge, body: { metadata: { finalizers: [] } } })
  }
})

test('preconditions protect a namesake', async () => {
  await server.ask('POST', configMaps, { body: { metadata: { name: 'guarded' } } })
  expect(await server.refusal('DELETE', `${configMaps}/guarded`, { body: { preconditions: { uid: 'another' } } })).toMatch(
    /^409 .*Precondition failed: UID in precondition: another, UID in object meta: /,
  )
  const { code, object } = await server.ask('DELETE', `${configMaps}/guarded`)
  expect({ code, status: object.status }).toEqual({ code: 200, status: 'Success' })
})

test('a collection goes by selection', async () => {
  for (const name of ['x1', 'x2', 'y1']) await server.ask('POST', configMaps, { body: { metadata: { name, labels: { set: name[0] } } } })
  await server.ask('DELETE', `${configMaps}?labelSelector=set%3Dx`)
  const { object } = await server.ask('GET', `${configMaps}?labelSelector=set`)
  expect(object.items.map((item) => item.metadata.name)).toEqual(['y1'])
})

test('a namespace ends when it has been finalized; nothing new comes into it meanwhile', async () => {
  const url = '/api/v1/namespaces/ending'
  await server.ask('POST', '/api/v1/namespaces', { body: { metadata: { name: 'ending' } } })
  const marked = (await server.ask('DELETE', url)).object
  expect(marked).toMatchObject({ status: { phase: 'Terminating' }, spec: { finalizers: ['kubernetes'] } })
  const { code, object } = await server.ask('POST', `${url}/configmaps`, { body: { metadata: { name: 'late' } } })
  expect(code).toBe(403)
  expect(object).toMatchObject({ details: { causes: [{ reason: 'NamespaceTerminating' }] } })
  await server.ask('PUT', `${url}/finalize`, { body: { ...marked, spec: { finalizers: [] } } })
  expect(await server.refusal('GET', url)).toBe('404 namespaces "ending" not found')
})

test('a pod is bound once', async () => {
  await server.ask('POST', pods, { body: pod('bound') })
  const binding = (node: string): object => ({
    metadata: { name: 'bound', annotations: { why: 'room' } },
    target: { kind: 'Node', name: node },
  })
  expect((await server.ask('POST', `${pods}/bound/binding`, { body: binding('n1') })).code).toBe(201)
  const bound = (await server.ask('GET', `${pods}/bound`)).object
  expect(bound).toMatchObject({
    metadata: { annotations: { why: 'room' } },
    spec: { nodeName: 'n1' },
    status: { conditions: [{ type: 'PodScheduled', status: 'True' }] },
  })
  expect(await server.refusal('POST', '/api/v1/namespaces/default/bindings', { body: binding('n2') })).toBe(
    '409 Operation cannot be fulfilled on pods/binding "bound": pod bound is already assigned to node "n1"',
  )
})
