import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ServiceSpec } from '../../api/generated/types.ts'
import { TestServer } from '../testing/test-server.ts'

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
    'failed to allocate IP 10.1.0.5: the provided network does not match the current range',
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

describe('a cluster of both families', () => {
  let dual: TestServer
  beforeAll(async () => {
    dual = await TestServer.start({ serviceCidr: '10.0.0.0/24,FD00:0::/112', nodePortRange: { from: 30000, to: 30009 } })
  })
  afterAll(() => dual.close())
  const make = async (name: string, spec: object) =>
    (await dual.ask('POST', url, { body: service(name, spec) })).object.spec as unknown as ServiceSpec
  const change = async (name: string, spec: object) =>
    (await dual.ask('PATCH', `${url}/${name}`, { body: { spec }, contentType: 'application/merge-patch+json' })).object
      .spec as unknown as ServiceSpec

  test('its own Service has one, of the first', async () => {
    expect((await dual.ask('GET', `${url}/kubernetes`)).object.spec).toMatchObject({ clusterIPs: ['10.0.0.1'], ipFamilies: ['IPv4'] })
  })

  test.each<[string, object, string[], string]>([
    ['nothing asked', {}, ['IPv4'], 'SingleStack'],
    ['one of the other family', { ipFamilies: ['IPv6'] }, ['IPv6'], 'SingleStack'],
    ['both preferred', { ipFamilyPolicy: 'PreferDualStack' }, ['IPv4', 'IPv6'], 'PreferDualStack'],
    [
      'both required, in their order',
      { ipFamilyPolicy: 'RequireDualStack', ipFamilies: ['IPv6', 'IPv4'] },
      ['IPv6', 'IPv4'],
      'RequireDualStack',
    ],
    ['by an address', { clusterIP: 'fd00::9' }, ['IPv6'], 'SingleStack'],
    ['by one of two addresses', { clusterIPs: ['fd00::a'], ipFamilyPolicy: 'PreferDualStack' }, ['IPv6', 'IPv4'], 'PreferDualStack'],
    [
      'by both addresses',
      { clusterIPs: ['10.0.0.7', 'fd00::7'], ipFamilyPolicy: 'RequireDualStack' },
      ['IPv4', 'IPv6'],
      'RequireDualStack',
    ],
  ])('%s', async (name, spec, families, policy) => {
    const made = await make(`d-${name.replaceAll(/\W+/g, '-')}`, spec)
    expect([made.ipFamilies, made.ipFamilyPolicy]).toEqual([families, policy])
    expect(made.clusterIPs?.map((ip) => (ip.includes(':') ? 'IPv6' : 'IPv4'))).toEqual(families)
    expect(made.clusterIP).toBe(made.clusterIPs?.[0])
  })

  test('a Service gets its second address later, gives it back, and another may have it', async () => {
    const before = await make('grows', {})
    const both = await change('grows', { ipFamilyPolicy: 'PreferDualStack' })
    expect(both.clusterIPs).toEqual([before.clusterIP, expect.stringMatching(/^fd00::/)])
    const second = both.clusterIPs?.[1] as string
    const taken = { ipFamilyPolicy: 'RequireDualStack', ipFamilies: ['IPv6'], clusterIPs: [second] }
    expect(await dual.refusal('POST', url, { body: service('wants', taken) })).toContain(
      `failed to allocate IP ${second}: provided IP is already allocated`,
    )
    expect(await change('grows', { ipFamilyPolicy: 'SingleStack' })).toMatchObject({ clusterIPs: [before.clusterIP], ipFamilies: ['IPv4'] })
    expect((await make('wants', taken)).clusterIPs?.[0]).toBe(second)
  })

  test.each<[object, string]>([
    [{ clusterIP: 'fd01::1' }, 'failed to allocate IP fd01::1: the provided network does not match the current range'],
    [
      { clusterIPs: ['10.0.0.200', 'fd00::200'] },
      'spec.ipFamilyPolicy: Invalid value: null: must be RequireDualStack or PreferDualStack when multiple clusterIPs are specified',
    ],
    [
      { ipFamilies: ['IPv4', 'IPv6'], ipFamilyPolicy: 'SingleStack' },
      'must be RequireDualStack or PreferDualStack when multiple ipFamilies are specified',
    ],
    [{ ipFamilies: ['IPv6'], clusterIP: '10.0.0.201' }, 'expected an IPv6 value as indicated by `ipFamilies[0]`'],
  ])('%j is refused', async (spec, message) => {
    expect(await dual.refusal('POST', url, { body: service('refused', spec) })).toContain(message)
  })

  test('a headless Service without a selector may have both anywhere', async () => {
    expect(await make('by-hand', { clusterIP: 'None' })).toMatchObject({ ipFamilies: ['IPv4', 'IPv6'], ipFamilyPolicy: 'RequireDualStack' })
    expect((await create('by-hand', { clusterIP: 'None' })).object.spec).toMatchObject({ ipFamilies: ['IPv4', 'IPv6'] })
    expect((await create('chosen', { clusterIP: 'None', selector: { a: 'b' } })).object.spec).toMatchObject({ ipFamilies: ['IPv4'] })
  })
})

test('ranges that no cluster can have are refused', async () => {
  for (const serviceCidr of ['10.0.0.0/8,11.0.0.0/8', '10.0.0.0', '10.0.0.0/31', '10.0.0.0/8,fd00::/112,fd01::/112']) {
    await expect(TestServer.start({ serviceCidr })).rejects.toThrow(/not a network|one range, or two/)
  }
})
