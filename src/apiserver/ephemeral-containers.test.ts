import { afterAll, beforeAll, expect, test } from 'vitest'
import { pod, TestServer } from './testing/test-server.ts'

let server: TestServer
beforeAll(async () => {
  server = await TestServer.start()
  await server.ask('POST', pods, { body: pod('app', { nodeName: 'n1' }) })
})
afterAll(() => server.close())

const pods = '/api/v1/namespaces/default/pods'
const strategic = 'application/strategic-merge-patch+json'
const add = (container: object, more: object = {}) => ({
  contentType: strategic,
  body: { ...more, spec: { ephemeralContainers: [container] } },
})

test('a patch adds containers and nothing else, and the generation counts it', async () => {
  const more = { metadata: { labels: { not: 'this' } } }
  const { object } = await server.ask('PATCH', `${pods}/app/ephemeralcontainers`, add({ name: 'look', image: 'busybox' }, more))
  expect(object.metadata).toMatchObject({ generation: 2 })
  expect(object.metadata.labels).toBeUndefined()
  expect(object.spec.ephemeralContainers).toMatchObject([{ name: 'look', image: 'busybox', imagePullPolicy: 'Always', resources: {} }])
  const second = await server.ask('PATCH', `${pods}/app/ephemeralcontainers`, add({ name: 'two', image: 'busybox:1' }))
  expect(second.object.spec.ephemeralContainers).toHaveLength(2)
  expect((await server.ask('GET', `${pods}/app/ephemeralcontainers`)).object.kind).toBe('Pod')
})

test('an update may neither change nor take away', async () => {
  const { object } = await server.ask('GET', `${pods}/app`)
  // A strategic merge puts what is new in front.
  const [two, look] = object.spec.ephemeralContainers as unknown as object[]
  const put = (ephemeralContainers: object[]) =>
    server.refusal('PUT', `${pods}/app/ephemeralcontainers`, { body: { ...object, spec: { ...object.spec, ephemeralContainers } } })
  expect(await put([look as object])).toMatch(/^422 .*existing ephemeral containers "two" may not be removed/)
  expect(await put([{ ...look, image: 'other' }, two as object])).toMatch(/^422 .*existing ephemeral containers "look" may not be changed/)
})

test('they come by their subresource alone', async () => {
  expect(await server.refusal('PATCH', `${pods}/app`, add({ name: 'more', image: 'b' }))).toMatch(
    /^422 .*pod updates may not change fields/,
  )
})

test('what cannot be debugged with is refused as upstream does', async () => {
  const refused = (container: object) => server.refusal('PATCH', `${pods}/app/ephemeralcontainers`, add(container))
  expect(await refused({ name: 'x', image: 'b', targetContainerName: 'nobody' })).toContain(
    'spec.ephemeralContainers[0].targetContainerName: Not found: "nobody"',
  )
  expect(await refused({ name: 'x', image: 'b', ports: [{ containerPort: 80 }] })).toContain('cannot be set for an Ephemeral Container')
})

test('what a namespace forbids its pods it forbids those who debug them', async () => {
  const labels = { 'pod-security.kubernetes.io/enforce': 'baseline' }
  await server.ask('POST', '/api/v1/namespaces', { body: { metadata: { name: 'strict', labels } } })
  const within = '/api/v1/namespaces/strict/pods'
  await server.ask('POST', within, { body: pod('app', { nodeName: 'n1' }) })
  const privileged = { name: 'x', image: 'b', securityContext: { privileged: true } }
  expect(await server.refusal('PATCH', `${within}/app/ephemeralcontainers`, add(privileged))).toMatch(
    /^403 .*violates PodSecurity "baseline:latest": privileged \(container "x" must not set securityContext.privileged=true\)/,
  )
})
