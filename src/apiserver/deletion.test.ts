import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemRandom } from '../host/random.ts'
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
  const evicted = (await server.ask('GET', `${pods}/evicted`)).object
  expect(evicted.metadata.deletionGracePeriodSeconds).toBe(30)
  expect(evicted.status).toMatchObject({
    conditions: [{ type: 'DisruptionTarget', status: 'True', reason: 'EvictionByEvictionAPI', message: 'Eviction API: evicting' }],
  })
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
    /^409 Operation cannot be fulfilled on ConfigMap "guarded": the UID in the precondition \(another\) does not match the UID in record \(.*\)\. The object might have been deleted and then recreated$/,
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

test.each<[string, object, string]>([
  [
    'another version',
    { preconditions: { resourceVersion: '1' } },
    '409 Operation cannot be fulfilled on ConfigMap "exact": the ResourceVersion in the precondition (1) does not match the ResourceVersion in record (RV). The object might have been modified',
  ],
  [
    'a propagation that is none',
    { propagationPolicy: 'Sideways' },
    '422 DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Unsupported value: "Sideways": supported values: "Foreground", "Background", "Orphan", "nil"',
  ],
  [
    'two ways to say it',
    { propagationPolicy: 'Orphan', orphanDependents: true },
    '422 DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Invalid value: "Orphan": orphanDependents and deletionPropagation cannot be both set',
  ],
  [
    'a dry run of a part',
    { dryRun: ['Some'] },
    '422 DeleteOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["Some"]: supported values: "All"',
  ],
])('%s is refused, of one and of a collection', async (_, body, said) => {
  await server.ask('POST', configMaps, { body: { metadata: { name: 'exact', labels: { set: 'exact' } } } })
  const { resourceVersion } = (await server.ask('GET', `${configMaps}/exact`)).object.metadata
  const expected = said.replace('(RV)', `(${resourceVersion})`)
  expect(await server.refusal('DELETE', `${configMaps}/exact`, { body })).toBe(expected)
  expect(await server.refusal('DELETE', `${configMaps}?labelSelector=set%3Dexact`, { body })).toBe(expected)
  expect((await server.ask('GET', `${configMaps}/exact`)).code).toBe(200)
})

test('a collection takes selectors, limits, propagation and preconditions', async () => {
  const url = '/api/v1/namespaces/collected/configmaps'
  await server.ask('POST', '/api/v1/namespaces', { body: { metadata: { name: 'collected' } } })
  for (const name of ['a', 'b', 'c', 'd']) await server.ask('POST', url, { body: { metadata: { name } } })
  const names = async (): Promise<string> => (await server.ask('GET', url)).object.items.map(({ metadata }) => metadata.name).join('')
  const gone = (await server.ask('DELETE', `${url}?fieldSelector=metadata.name%3Da`)).object
  expect([gone.kind, gone.items.map(({ metadata }) => metadata.name), await names()]).toEqual(['ConfigMapList', ['a'], 'bcd'])
  await server.ask('DELETE', `${url}?limit=1`)
  expect(await names()).toBe('cd')
  await server.ask('DELETE', `${url}?dryRun=All`)
  expect(await names()).toBe('cd')
  expect(await server.refusal('DELETE', url, { body: { preconditions: { uid: 'another' } } })).toMatch(/^409 .*the UID in the precondition/)
  await server.ask('DELETE', url, { body: { propagationPolicy: 'Orphan' } })
  const waiting = (await server.ask('GET', url)).object.items
  expect(waiting.map(({ metadata }) => metadata.finalizers)).toEqual([['orphan'], ['orphan']])
  expect(await server.refusal('DELETE', '/api/v1/namespaces')).toMatch(/^405 /)
})

test('the grace that is asked for: less than none is a second, none is at once, later ones may only shorten', async () => {
  const marked = async (name: string, seconds: number) =>
    (await server.ask('DELETE', `${pods}/${name}?gracePeriodSeconds=${seconds}`)).object.metadata
  const made = async (name: string): Promise<void> => void (await server.ask('POST', pods, { body: pod(name, { nodeName: 'n1' }) }))
  await made('negative')
  expect(await marked('negative', -5)).toMatchObject({ deletionGracePeriodSeconds: 1, generation: 2 })
  await made('zero')
  await marked('zero', 0)
  expect(await server.refusal('GET', `${pods}/zero`)).toMatch(/^404/)
  await made('shorter')
  expect(await marked('shorter', 60)).toMatchObject({ deletionGracePeriodSeconds: 60, generation: 2 })
  expect(await marked('shorter', 10)).toMatchObject({ deletionGracePeriodSeconds: 10, generation: 2 })
  expect(await marked('shorter', 20)).toMatchObject({ deletionGracePeriodSeconds: 10, generation: 2 })
})

test('where no name that is generated is free, the client is told to try again', async () => {
  const always = await TestServer.start({ random: { ...systemRandom, float: () => 0 } })
  const body = { metadata: { generateName: 'same-' } }
  expect((await always.ask('POST', configMaps, { body })).code).toBe(201)
  const { code, object } = await always.ask('POST', configMaps, { body })
  expect([code, object]).toMatchObject([
    409,
    {
      reason: 'AlreadyExists',
      message: expect.stringMatching(
        /^configmaps "same-.{5}" already exists, the server was not able to generate a unique name for the object$/,
      ),
      details: { retryAfterSeconds: 1 },
    },
  ])
  await always.close()
})
