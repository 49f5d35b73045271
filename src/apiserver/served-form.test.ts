import { afterAll, beforeAll, expect, test } from 'vitest'
import { TestServer } from './testing/test-server.ts'

let server: TestServer
beforeAll(async () => {
  server = await TestServer.start()
})
afterAll(() => server.close())

const in1 = '/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers'
const in2 = '/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers'
type Any = { apiVersion: string; spec: Record<string, unknown>; metadata: Record<string, unknown> }
const objectOf = async (method: 'GET' | 'POST' | 'PATCH', url: string, options: object = {}): Promise<Any> =>
  (await server.ask(method, url, options)).object as unknown as Any

test('an object written in one form is read, listed, changed and applied in the other', async () => {
  const spec = { scaleTargetRef: { kind: 'Deployment', name: 'web' }, maxReplicas: 3, targetCPUUtilizationPercentage: 50 }
  const made = await objectOf('POST', in1, {
    body: { apiVersion: 'autoscaling/v1', kind: 'HorizontalPodAutoscaler', metadata: { name: 'one' }, spec },
  })
  expect([made.apiVersion, made.spec.targetCPUUtilizationPercentage]).toEqual(['autoscaling/v1', 50])
  const metrics = [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } }]
  expect(await objectOf('GET', `${in2}/one`)).toMatchObject({ apiVersion: 'autoscaling/v2', spec: { metrics } })
  const patch = { contentType: 'application/merge-patch+json', body: { spec: { targetCPUUtilizationPercentage: 60 } } }
  expect((await objectOf('PATCH', `${in1}/one`, patch)).spec.targetCPUUtilizationPercentage).toBe(60)
  const list = (await server.ask('GET', in1)).object as unknown as { kind: string; apiVersion: string; items: Any[] }
  expect([list.apiVersion, list.items[0]?.apiVersion, list.items[0]?.spec.targetCPUUtilizationPercentage]).toEqual([
    'autoscaling/v1',
    'autoscaling/v1',
    60,
  ])
  const applied = {
    apiVersion: 'autoscaling/v1',
    kind: 'HorizontalPodAutoscaler',
    metadata: { name: 'one' },
    spec: { ...spec, maxReplicas: 9 },
  }
  const apply = { contentType: 'application/apply-patch+yaml', body: applied }
  expect((await objectOf('PATCH', `${in1}/one?fieldManager=me&force=true`, apply)).spec.maxReplicas).toBe(9)
  expect((await objectOf('GET', `${in2}/one`)).metadata.managedFields).toMatchObject([
    { manager: 'me', operation: 'Apply', apiVersion: 'autoscaling/v2' },
    { apiVersion: 'autoscaling/v2' },
  ])
})

test('a Job that is deleted without a word on its pods leaves them, and says so', async () => {
  const template = { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'x' }] } }
  const url = '/apis/batch/v1/namespaces/default/jobs'
  await server.ask('POST', url, { body: { metadata: { name: 'one' }, spec: { template } } })
  const { object, warnings } = await server.ask('DELETE', `${url}/one`)
  expect((object as unknown as Any).metadata.finalizers).toEqual(['orphan'])
  expect(warnings).toEqual([expect.stringMatching(/^child pods are preserved by default/)])
})
