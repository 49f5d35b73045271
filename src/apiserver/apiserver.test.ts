import { afterAll, beforeAll, expect, test } from 'vitest'
import { pod, TestServer } from './test-server.ts'

let server: TestServer
beforeAll(async () => {
  server = await TestServer.start({ advertiseAddress: '192.0.2.10' })
})
afterAll(() => server.close())

const pods = '/api/v1/namespaces/default/pods'

test('a new cluster has its namespaces and the kubernetes Service at the first address', async () => {
  const { object } = await server.ask('GET', '/api/v1/namespaces')
  expect(object.items.map((item) => item.metadata.name)).toEqual(['default', 'kube-node-lease', 'kube-public', 'kube-system'])
  const service = (await server.ask('GET', '/api/v1/namespaces/default/services/kubernetes')).object
  expect(service.spec).toMatchObject({ clusterIP: '10.96.0.1', clusterIPs: ['10.96.0.1'], ipFamilies: ['IPv4'], type: 'ClusterIP' })
})

test('an object is created, read, replaced, patched and deleted', async () => {
  const made = await server.ask('POST', pods, { body: pod('life') })
  expect(made).toMatchObject({ code: 201 })
  expect(made.object.spec).toMatchObject({ serviceAccountName: 'default', priority: 0 })
})
