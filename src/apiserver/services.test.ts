import { afterAll, beforeAll, expect, test } from 'vitest'
import { TestServer } from './testing/test-server.ts'

let server: TestServer
beforeAll(async () => {
  server = await TestServer.start({ serviceCidr: '10.0.0.0/24', nodePortRange: { from: 30000, to: 30009 } })
})
afterAll(() => server.close())

const url = '/api/v1/namespaces/default/services'
const service = (name: string, spec: object = {}): object => ({ metadata: { name }, spec: { ports: [{ port: 80 }], ...spec } })
const create = (name: string, spec: object = {}) => server.ask('POST', url, { body: service(name, spec) })
const addressOf = async (name: string): Promise<string> => String((await server.ask('GET', `${url}/${name}`)).object.spec.clusterIP)

test('addresses differ, lie above the band for fixed ones, and come back after deletion', async () => {
  const names = Array.from({ length: 20 }, (_, index) => `many-${index}`)
  const made = await Promise.all(names.map((name) => create(name)))
  const addresses = made.map(({ object }) => String(object.spec.clusterIP))
  expect(new Set(addresses).size).toBe(20)
  for (const address of addresses) expect(Number(address.split('.')[3])).toBeGreaterThan(16)
  for (const name of names) await server.ask('DELETE', `${url}/${name}`)
  expect((await create('again', { clusterIP: addresses[0] })).code).toBe(201)
  expect(await server.refusal('POST', url, { body: service('twice', { clusterIP: addresses[0] }) })).toBe(
    `422 Service "twice" is invalid: spec.clusterIPs: Invalid value: ["${addresses[0]}"]: failed to allocate IP ${addresses[0]}: provided IP is already allocated`,
  )
  expect(await server.refusal('POST', url, { body: service('out', { clusterIP: '10.1.0.5' }) })).toContain(
    'failed to allocate IP 10.1.0.5: the provided IP (10.1.0.5) is not in the valid range. The range of valid IPs is 10.0.0.0/24',
  )
})

test('asked for by many at once, an address goes to one', async () => {
  const answers = await Promise.all(
    [1, 2, 3, 4].map((index) =>
      create(`race-${index}`, { clusterIP: '10.0.0.9', type: 'NodePort', ports: [{ port: 80, nodePort: 30009 }] }),
    ),
  )
  expect(answers.map(({ code }) => code).sort()).toEqual([201, 422, 422, 422])
})

test('headless and external Services take no address', async () => {
  expect((await create('headless', { clusterIP: 'None' })).object.spec).toMatchObject({ clusterIP: 'None', clusterIPs: ['None'] })
  expect(
    (await create('external', { type: 'ExternalName', externalName: 'example.com', ports: undefined })).object.spec.clusterIP,
  ).toBeUndefined()
})

test('node ports are given, honoured, refused and released', async () => {
  const asked = await create('asked', { type: 'NodePort', ports: [{ port: 80, nodePort: 30001 }] })
  expect(asked.object.spec).toMatchObject({ ports: [{ nodePort: 30001 }] })
  const taken = { type: 'NodePort', ports: [{ port: 80, nodePort: 30001 }] }
  expect(await server.refusal('POST', url, { body: service('taken', taken) })).toBe(
    '422 Service "taken" is invalid: spec.ports[0].nodePort: Invalid value: 30001: provided port is already allocated',
  )
  expect(await server.refusal('POST', url, { body: service('far', { type: 'NodePort', ports: [{ port: 80, nodePort: 80 }] }) })).toContain(
    'provided port is not in the valid range. The range of valid ports is 30000-30009',
  )
  const twins = {
    type: 'NodePort',
    ports: [
      { name: 't', port: 53 },
      { name: 'u', port: 53, protocol: 'UDP' },
    ],
  }
  const ports = ((await create('dns', twins)).object.spec as unknown as { ports: { nodePort: number }[] }).ports
  expect(ports[0]?.nodePort).toBe(ports[1]?.nodePort)
  const contentType = 'application/merge-patch+json'
  await server.ask('PATCH', `${url}/asked`, { contentType, body: { spec: { type: 'ClusterIP' } } })
  expect((await create('taken', taken)).code).toBe(201)
})

test('an apply that leaves out what was given keeps it; an address does not change', async () => {
  await create('kept', { type: 'NodePort' })
  const before = (await server.ask('GET', `${url}/kept`)).object
  const put = (await server.ask('PUT', `${url}/kept`, { body: service('kept', { type: 'NodePort', selector: { a: 'b' } }) })).object
  expect(put.spec).toMatchObject({ clusterIP: before.spec.clusterIP, ports: before.spec.ports, selector: { a: 'b' } })
  const contentType = 'application/merge-patch+json'
  expect(
    await server.refusal('PATCH', `${url}/kept`, { contentType, body: { spec: { clusterIP: '10.0.0.3', clusterIPs: ['10.0.0.3'] } } }),
  ).toMatch(/^422 .*may not change once set/)
  expect(await addressOf('kept')).toBe(before.spec.clusterIP)
})

test('Services that keep clients’ addresses get a port for health checks, until they no longer do', async () => {
  const local = { type: 'LoadBalancer', externalTrafficPolicy: 'Local' }
  const made = await create('checked', local)
  const port = Number(made.object.spec.healthCheckNodePort)
  expect(port).toBeGreaterThanOrEqual(30000)
  expect(made.object.spec).not.toMatchObject({ ports: [{ nodePort: port }] })
  const text = `failed to allocate requested HealthCheck NodePort ${port}: provided port is already allocated`
  expect(await server.refusal('POST', url, { body: service('second', { ...local, healthCheckNodePort: port }) })).toContain(text)
  const asNodePort = { type: 'NodePort', ports: [{ port: 80, nodePort: port }] }
  expect(await server.refusal('POST', url, { body: service('third', asNodePort) })).toContain('provided port is already allocated')
  const body = { spec: { externalTrafficPolicy: 'Cluster' } }
  const changed = await server.ask('PATCH', `${url}/checked`, { body, contentType: 'application/merge-patch+json' })
  expect(changed.object.spec.healthCheckNodePort).toBeUndefined()
  expect((await create('third', asNodePort)).code).toBe(201)
  await server.ask('DELETE', `${url}/checked`)
  await server.ask('DELETE', `${url}/third`)
})
