import { afterEach, describe, expect, test } from 'vitest'
import type { IPAddress, Service, ServiceCIDR } from '../../api/generated/types.ts'
import { VirtualClock } from '../../host/virtual-clock.ts'
import { MemoryStore } from '../../storage/memory-store.ts'
import { TestServer } from '../testing/test-server.ts'
import { planRepair } from './repair-plan.ts'

const open: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
})

async function start(options: Parameters<typeof TestServer.start>[0] = {}): Promise<TestServer> {
  const server = await TestServer.start({ serviceCidr: '10.0.0.0/28', nodePortRange: { from: 30000, to: 30003 }, ...options })
  open.push(server)
  return server
}

const services = '/api/v1/namespaces/default/services'
const cidrs = '/apis/networking.k8s.io/v1/servicecidrs'
const addresses = '/apis/networking.k8s.io/v1/ipaddresses'
const contentType = 'application/merge-patch+json'
const service = (name: string, spec: object = {}): object => ({ metadata: { name }, spec: { ports: [{ port: 80 }], ...spec } })
const namesOf = async (server: TestServer, url: string): Promise<string[]> =>
  (await server.ask('GET', url)).object.items.map(({ metadata }) => metadata.name)
/** `10.0.0.1 services/default/kubernetes`. */
async function held(server: TestServer): Promise<string[]> {
  const { items } = (await server.ask('GET', addresses)).object as unknown as { items: IPAddress[] }
  return items.map(({ metadata, spec }) => `${metadata.name} ${spec?.parentRef?.namespace}/${spec?.parentRef?.name}`)
}
const make = async (server: TestServer, name: string, spec: object = {}): Promise<string> =>
  String((await server.ask('POST', services, { body: service(name, spec) })).object.spec.clusterIP)

describe('the default ServiceCIDR', () => {
  test('is what the server was started with, and ready; its first address is the API’s', async () => {
    const server = await start()
    const cidr = (await server.ask('GET', `${cidrs}/kubernetes`)).object as unknown as ServiceCIDR
    expect(cidr.spec?.cidrs).toEqual(['10.0.0.0/28'])
    expect(cidr.status?.conditions).toMatchObject([{ type: 'Ready', status: 'True', message: 'Kubernetes default Service CIDR is ready' }])
    expect((await server.ask('GET', `${addresses}/10.0.0.1`)).object).toMatchObject({
      metadata: { labels: { 'ipaddress.kubernetes.io/ip-family': 'IPv4', 'ipaddress.kubernetes.io/managed-by': 'ipallocator.k8s.io' } },
      spec: { parentRef: { resource: 'services', namespace: 'default', name: 'kubernetes' } },
    })
  })

  test('gets the second family of a server that has one; another network than the stored one changes nothing', async () => {
    const { store } = await start()
    const dual = await start({ store, serviceCidr: '10.0.0.0/28,fd00::/112' })
    expect((await dual.ask('GET', `${cidrs}/kubernetes`)).object.spec).toEqual({ cidrs: ['10.0.0.0/28', 'fd00::/112'] })
    const other = await start({ store, serviceCidr: '10.9.0.0/24' })
    expect((await other.ask('GET', `${cidrs}/kubernetes`)).object.spec).toEqual({ cidrs: ['10.0.0.0/28', 'fd00::/112'] })
    expect(await make(other, 'a')).toMatch(/^10\.0\.0\./)
  })

  test('comes back when it is deleted', async () => {
    const server = await start()
    await server.ask('DELETE', `${cidrs}/kubernetes`)
    await expect.poll(() => namesOf(server, cidrs)).toEqual(['kubernetes'])
  })
})

describe('the IPAddress of a Service', () => {
  test('comes and goes with its address', async () => {
    const server = await start()
    const before = await held(server)
    const address = await make(server, 'web')
    expect(await held(server)).toEqual([...before, `${address} default/web`])
    await server.ask('PATCH', `${services}/web`, { contentType, body: { spec: { type: 'ExternalName', externalName: 'example.com' } } })
    expect(await held(server)).toEqual(before)
    await server.ask('PATCH', `${services}/web`, { contentType, body: { spec: { type: 'ClusterIP', externalName: null } } })
    expect(await held(server)).toHaveLength(before.length + 1)
    await server.ask('DELETE', `${services}/web`)
    expect(await held(server)).toEqual(before)
  })

  test('is not made by a dry run, nor for a Service that is refused', async () => {
    const server = await start()
    const before = await held(server)
    expect((await server.ask('POST', `${services}?dryRun=All`, { body: service('dry', { type: 'NodePort' }) })).code).toBe(201)
    await server.refusal('POST', services, { body: service('Bad Name') })
    await server.refusal('POST', services, { body: service('kubernetes') })
    expect(await held(server)).toEqual(before)
    expect((await server.ask('DELETE', `${services}/kubernetes?dryRun=All`)).code).toBe(200)
    expect(await held(server)).toEqual(before)
  })

  test('stays as long as its Service has a finalizer', async () => {
    const server = await start()
    const body = { metadata: { name: 'held', finalizers: ['example.com/wait'] }, spec: { ports: [{ port: 80 }] } }
    const { clusterIP } = (await server.ask('POST', services, { body })).object.spec
    await server.ask('DELETE', `${services}/held`)
    expect(await held(server)).toContain(`${clusterIP} default/held`)
    await server.ask('PATCH', `${services}/held`, { contentType, body: { metadata: { finalizers: null } } })
    expect(await held(server)).not.toContain(`${clusterIP} default/held`)
  })

  test('an address that somebody else keeps is nobody’s to have', async () => {
    const server = await start()
    const parentRef = { group: 'example.com', resource: 'gateways', namespace: 'default', name: 'g' }
    expect((await server.ask('POST', addresses, { body: { metadata: { name: '10.0.0.5' }, spec: { parentRef } } })).code).toBe(201)
    expect(await server.refusal('POST', services, { body: service('wants', { clusterIP: '10.0.0.5' }) })).toBe(
      '422 Service "wants" is invalid: spec.clusterIPs: Invalid value: ["10.0.0.5"]: failed to allocate IP 10.0.0.5: provided IP is already allocated',
    )
  })

  test('is made again when it is deleted, and made for Services of before there were any', async () => {
    const clock = new VirtualClock()
    const store = new MemoryStore({ clock })
    const server = await start({ clock, store })
    const address = await make(server, 'web')
    await server.ask('DELETE', `${addresses}/${address}`)
    await expect.poll(() => held(server)).toContain(`${address} default/web`)
    const { entries } = await store.list('/registry/networking.k8s.io/ipaddresses/')
    await server.server.close()
    await store.commit(entries.map(({ key }) => ({ key, value: undefined, expect: undefined })))
    const next = await start({ clock, store })
    expect(await held(next)).toEqual([`10.0.0.1 default/kubernetes`, `${address} default/web`])
  })
})

describe('a range that is full', () => {
  test('is told as upstream tells it; a further ServiceCIDR helps until it is deleted', async () => {
    const server = await start()
    const all = await Promise.all(Array.from({ length: 13 }, (_, i) => make(server, `s-${i}`)))
    expect(new Set(all).size).toBe(13)
    expect(await server.refusal('POST', services, { body: service('more') })).toBe(
      '500 Internal error occurred: failed to allocate a serviceIP: range is full',
    )
    await server.ask('POST', cidrs, {
      body: { metadata: { name: 'more', finalizers: ['networking.k8s.io/service-cidr-finalizer'] }, spec: { cidrs: ['10.1.0.0/24'] } },
    })
    // Above the band of 16 for those who ask by number.
    expect(await make(server, 'more')).toMatch(/^10\.1\.0\.(1[7-9]|[2-9]\d|\d{3})$/)
    expect(await make(server, 'asked', { clusterIP: '10.1.0.7' })).toBe('10.1.0.7')
    await server.ask('DELETE', `${cidrs}/more`)
    expect(await server.refusal('POST', services, { body: service('late') })).toContain('range is full')
    expect(await server.refusal('POST', services, { body: service('late', { clusterIP: '10.1.0.8' }) })).toContain(
      'failed to allocate IP 10.1.0.8: the provided network does not match the current range',
    )
  })

  test('one that is not ready gives nothing', async () => {
    const server = await start()
    const { object } = await server.ask('POST', cidrs, { body: { metadata: { name: 'new' }, spec: { cidrs: ['10.1.0.0/24'] } } })
    const conditions = [{ type: 'Ready', status: 'False', reason: 'Terminating', message: '', lastTransitionTime: '2026-01-01T00:00:00Z' }]
    await server.ask('PUT', `${cidrs}/new/status`, { body: { ...object, status: { conditions } } })
    expect(await server.refusal('POST', services, { body: service('a', { clusterIP: '10.1.0.7' }) })).toContain('does not match')
  })

  test('of node ports, too; nothing stays taken of what was refused', async () => {
    const server = await start()
    const nodePort = { type: 'NodePort' }
    for (const name of ['a', 'b', 'c', 'd']) await make(server, name, nodePort)
    const before = await held(server)
    expect(await server.refusal('POST', services, { body: service('e', nodePort) })).toBe(
      '500 Internal error occurred: failed to allocate a nodePort: range is full',
    )
    expect(await held(server)).toEqual(before)
    await server.ask('DELETE', `${services}/a`)
    expect((await server.ask('POST', services, { body: service('e', nodePort) })).code).toBe(201)
  })
})

test('two servers that fill and empty one range at once leave neither doubles nor leaks', async () => {
  const clock = new VirtualClock()
  const store = new MemoryStore({ clock })
  const ranges = { store, clock, sharesStore: true, serviceCidr: '10.0.0.0/27', nodePortRange: { from: 30000, to: 30031 } }
  const servers = [await start({ ...ranges, advertiseAddress: '192.0.2.1' }), await start({ ...ranges, advertiseAddress: '192.0.2.2' })]
  const at = (i: number): TestServer => servers[i % 2] as TestServer
  for (let round = 0; round < 4; round++) {
    // 29 addresses are left for 40 Services.
    const made = await Promise.all(
      Array.from({ length: 40 }, (_, i) =>
        at(i)
          .ask('POST', services, { body: service(`s-${i}`, i % 3 ? {} : { type: 'NodePort' }) })
          .then(({ code }) => code),
      ),
    )
    expect(made.filter((code) => code === 201)).toHaveLength(29)
    expect(made.filter((code) => code === 500)).toHaveLength(11)
    const { items } = (await at(0).ask('GET', services)).object as unknown as { items: Service[] }
    const expected = items.map(({ metadata, spec }) => `${spec.clusterIP} default/${metadata.name}`)
    expect(await held(at(1))).toEqual(expect.arrayContaining(expected))
    expect(await held(at(1))).toHaveLength(30)
    await Promise.all(
      items
        .filter(({ metadata }) => metadata.name !== 'kubernetes')
        .map(({ metadata }, i) => at(i).ask('DELETE', `${services}/${metadata.name}`)),
    )
    expect(await held(at(0))).toEqual(['10.0.0.1 default/kubernetes'])
  }
})

describe('a repair', () => {
  const of = (name: string, ...clusterIPs: string[]): Service =>
    ({ metadata: { namespace: 'd', name }, spec: { clusterIPs } }) as unknown as Service
  const labels = { 'ipaddress.kubernetes.io/ip-family': 'IPv4', 'ipaddress.kubernetes.io/managed-by': 'ipallocator.k8s.io' }
  const address = (name: string, parent: object, more: object = labels): IPAddress =>
    ({ metadata: { name, labels: more }, spec: { parentRef: { resource: 'services', namespace: 'd', ...parent } } }) as unknown as IPAddress
  test.each<[string, Service[], IPAddress[], { remove?: string[]; make?: string[]; shared?: string[] }]>([
    ['finds all in order', [of('a', '10.0.0.1')], [address('10.0.0.1', { name: 'a' })], {}],
    ['makes what is missing', [of('a', '10.0.0.1', 'fd00::1'), of('h', 'None')], [], { make: ['10.0.0.1 a', 'fd00::1 a'] }],
    ['removes what is nobody’s', [], [address('10.0.0.1', { name: 'gone' })], { remove: ['10.0.0.1'] }],
    [
      'removes what its Service has not',
      [of('a', '10.0.0.2')],
      [address('10.0.0.1', { name: 'a' }), address('10.0.0.2', { name: 'a' })],
      { remove: ['10.0.0.1'] },
    ],
    ['leaves what others keep', [], [address('10.0.0.1', { name: 'g', resource: 'gateways' }, {})], {}],
    [
      'rights a wrong reference',
      [of('a', '10.0.0.1')],
      [address('10.0.0.1', { name: 'gone' })],
      { remove: ['10.0.0.1'], make: ['10.0.0.1 a'] },
    ],
    [
      'rights wrong labels',
      [of('a', '10.0.0.1')],
      [address('10.0.0.1', { name: 'a' }, {})],
      { remove: ['10.0.0.1'], make: ['10.0.0.1 a'] },
    ],
    [
      'tells of an address of two',
      [of('a', '10.0.0.1'), of('b', '10.0.0.1')],
      [address('10.0.0.1', { name: 'a' })],
      { shared: ['10.0.0.1 b'] },
    ],
  ])('%s', (_, all, objects, { remove = [], make: made = [], shared = [] }) => {
    const plan = planRepair(all, objects)
    expect(plan.remove.map(({ metadata }) => metadata.name)).toEqual(remove)
    expect(plan.make.map((one) => `${one.address} ${one.service.name}`)).toEqual(made)
    expect(plan.shared.map((one) => `${one.address} ${one.service.name}`)).toEqual(shared)
  })
})
