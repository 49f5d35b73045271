import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Container, PodSpec } from '../api/generated/types.ts'
import { pod, TestServer } from './testing/test-server.ts'

let server: TestServer
beforeAll(async () => {
  server = await TestServer.start()
})
afterAll(() => server.close())

const pods = '/api/v1/namespaces/default/pods'
const strategic = 'application/strategic-merge-patch+json'
const amounts = (cpu: string, memory: string) => ({ cpu, memory })
const app = (resources: Container['resources'], more: Partial<Container> = {}): Container => ({
  ...{ name: 'app', image: 'a', resources: resources ?? {} },
  ...more,
})
const resize = (...containers: Partial<Container>[]) => ({ contentType: strategic, body: { spec: { containers } } })

let count = 0
async function podOf(spec: Partial<PodSpec>): Promise<string> {
  const name = `p${count++}`
  const { object } = await server.ask('POST', pods, { body: pod(name, { nodeName: 'n1', ...spec }) })
  return `${pods}/${object.metadata.name}`
}
const burstable = app({ requests: amounts('100m', '64Mi'), limits: amounts('1', '128Mi') })

test('a patch changes cpu and memory and nothing else, and the generation counts it', async () => {
  const path = await podOf({ containers: [burstable] })
  const change = resize({ name: 'app', image: 'other', resources: { requests: { cpu: '200m' }, limits: { memory: '100Mi' } } })
  const { object } = await server.ask('PATCH', `${path}/resize`, {
    ...change,
    body: { ...change.body, metadata: { labels: { not: 'this' } } },
  })
  expect(object.metadata).toMatchObject({ generation: 2 })
  expect(object.metadata.labels).toBeUndefined()
  expect(object.spec.containers).toMatchObject([
    { image: 'a', resources: { requests: amounts('200m', '64Mi'), limits: amounts('1', '100Mi') } },
  ])
  expect((await server.ask('GET', `${path}/resize`)).object.kind).toBe('Pod')
  expect(await server.refusal('POST', `${path}/resize`, { body: object })).toMatch(/^405 /)
})

test('an update of the pod itself cannot resize it', async () => {
  const path = await podOf({ containers: [burstable] })
  expect(await server.refusal('PATCH', path, resize({ name: 'app', resources: { limits: { cpu: '2' } } }))).toMatch(
    /^422 .*pod updates may not change fields/,
  )
})

const guaranteed = app({ requests: amounts('1', '1Gi'), limits: amounts('1', '1Gi') })
const side = app({ requests: { cpu: '1' } }, { name: 'side', restartPolicy: 'Always' })
const init = app({ requests: { cpu: '1' } }, { name: 'init' })
const more = (cpu: string): Container['resources'] => ({ requests: { cpu } })

const refusals: [string, Partial<PodSpec>, string, object, string][] = [
  [
    'another class',
    { containers: [guaranteed] },
    strategic,
    { spec: { containers: [{ name: 'app', resources: { limits: { cpu: '2' } } }] } },
    'spec: Invalid value: "Burstable": Pod QOS Class may not change as a result of resizing',
  ],
  [
    'a limit taken away',
    { containers: [burstable] },
    strategic,
    { spec: { containers: [{ name: 'app', resources: { limits: { memory: null } } }] } },
    'spec.containers[0].resources.limits: Forbidden: resource limits cannot be removed',
  ],
  [
    'a request taken away',
    { containers: [app({ requests: amounts('1', '1Gi') })] },
    strategic,
    { spec: { containers: [{ name: 'app', resources: { requests: { memory: null } } }] } },
    'spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed',
  ],
  [
    'other resources',
    { containers: [burstable] },
    strategic,
    { spec: { containers: [{ name: 'app', resources: { requests: { 'ephemeral-storage': '1Gi' } } }] } },
    'spec: Forbidden: only cpu and memory resources are mutable',
  ],
  [
    'a request above its limit',
    { containers: [burstable] },
    strategic,
    { spec: { containers: [{ name: 'app', resources: { requests: { cpu: '2' } } }] } },
    'spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1',
  ],
  [
    'another policy',
    { containers: [burstable] },
    strategic,
    { spec: { containers: [{ name: 'app', resizePolicy: [{ resourceName: 'cpu', restartPolicy: 'RestartContainer' }] }] } },
    'spec: Forbidden: only cpu and memory resources are mutable',
  ],
  [
    'containers in another order',
    { containers: [burstable, side].map(({ restartPolicy: _, ...one }) => one) },
    'application/merge-patch+json',
    { spec: { containers: [side, burstable].map(({ restartPolicy: _, ...one }) => one) } },
    'spec.containers[0].name: Forbidden: containers may not be renamed or reordered on resize',
  ],
  [
    'one more container',
    { containers: [burstable] },
    strategic,
    { spec: { containers: [{ name: 'more', image: 'a' }] } },
    'spec.containers: Forbidden: containers may not be added or removed on resize',
  ],
  [
    'an init container that ends',
    { initContainers: [init], containers: [burstable] },
    strategic,
    { spec: { initContainers: [{ name: 'init', resources: more('2') }] } },
    'spec: Forbidden: resources for non-sidecar init containers are immutable',
  ],
  [
    'other resources of a sidecar',
    { initContainers: [side], containers: [burstable] },
    strategic,
    { spec: { initContainers: [{ name: 'side', resources: { requests: { 'ephemeral-storage': '1Gi' } } }] } },
    'spec: Forbidden: only cpu and memory resources for sidecar containers are mutable',
  ],
  [
    'a pod with resources of its own',
    { resources: { requests: amounts('1', '1Gi') }, containers: [app({})] },
    strategic,
    { spec: { containers: [{ name: 'app', resources: { requests: { cpu: '500m' } } }] } },
    'pods with pod-level resources cannot be resized',
  ],
  [
    'a pod of another system',
    { os: { name: 'windows' }, containers: [burstable] },
    strategic,
    { spec: { containers: [{ name: 'app', resources: { requests: { cpu: '500m' } } }] } },
    'windows pods cannot be resized',
  ],
]

test.each(refusals)('refused: %s', async (_, spec, contentType, body, message) => {
  const path = await podOf(spec)
  const text = await server.refusal('PATCH', `${path}/resize`, { contentType, body })
  expect(text).toMatch(/^422 /)
  expect(text).toContain(message)
})

test('a sidecar is resized', async () => {
  const path = await podOf({ initContainers: [side], containers: [burstable] })
  const body = { spec: { initContainers: [{ name: 'side', resources: more('2') }] } }
  const { object } = await server.ask('PATCH', `${path}/resize`, { contentType: strategic, body })
  expect(object.spec.initContainers).toMatchObject([{ resources: { requests: { cpu: '2' } } }])
})

test('a LimitRange judges what comes of it', async () => {
  const limits = [{ type: 'Container', max: { cpu: '3' } }]
  await server.ask('POST', '/api/v1/namespaces', { body: { metadata: { name: 'narrow' } } })
  await server.ask('POST', '/api/v1/namespaces/narrow/limitranges', { body: { metadata: { name: 'l' }, spec: { limits } } })
  const path = '/api/v1/namespaces/narrow/pods'
  await server.ask('POST', path, { body: pod('app', { nodeName: 'n1', containers: [burstable] }) })
  expect(await server.refusal('PATCH', `${path}/app/resize`, resize({ name: 'app', resources: { limits: { cpu: '4' } } }))).toMatch(
    /^403 .*maximum cpu usage per Container is 3, but limit is 4/,
  )
})
