import { afterEach, expect, test } from 'vitest'
import { VirtualClock } from '../host/virtual-clock.ts'
import { MemoryStore } from '../storage/memory-store.ts'
import { UnavailableError, UnknownOutcomeError } from '../storage/store.ts'
import { TestServer } from './testing/test-server.ts'

const open: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
})

async function twoServers(): Promise<{ servers: readonly [TestServer, TestServer]; clock: VirtualClock }> {
  const clock = new VirtualClock()
  const store = new MemoryStore({ clock })
  const start = (address: string) =>
    TestServer.start({ store, clock, sharesStore: true, advertiseAddress: address, serviceCidr: '10.0.0.0/24' })
  const servers = [await start('192.0.2.1'), await start('192.0.2.2')] as const
  open.push(store, ...servers)
  return { servers, clock }
}

const services = '/api/v1/namespaces/default/services'
const kubernetes = '/api/v1/namespaces/default/endpoints/kubernetes'
const addressesAt = async (server: TestServer): Promise<string[]> =>
  ((await server.ask('GET', kubernetes)).object as unknown as { subsets: { addresses: { ip: string }[] }[] }).subsets.flatMap(
    ({ addresses }) => addresses.map(({ ip }) => ip),
  )

test('two servers on one store never give two Services one address or node port', async () => {
  const { servers } = await twoServers()
  const made = await Promise.all(
    Array.from({ length: 60 }, (_, i) =>
      (servers[i % 2] as TestServer).ask('POST', services, {
        body: { metadata: { name: `s-${i}` }, spec: { type: 'NodePort', ports: [{ port: 80 }] } },
      }),
    ),
  )
  expect(made.map(({ code }) => code)).toEqual(made.map(() => 201))
  expect(new Set(made.map(({ object }) => object.spec.clusterIP)).size).toBe(60)
  const ports = made.map(({ object }) => (object.spec.ports as unknown as { nodePort: number }[])[0]?.nodePort)
  expect(new Set(ports).size).toBe(60)
})

test('of two servers that are asked for one address at the same time, one says that it is taken', async () => {
  const { servers } = await twoServers()
  const asked = await Promise.all(
    servers.map((server, i) =>
      server.ask('POST', services, { body: { metadata: { name: `s-${i}` }, spec: { clusterIP: '10.0.0.7', ports: [{ port: 80 }] } } }),
    ),
  )
  expect(asked.map(({ code }) => code).sort()).toEqual([201, 422])
})

test('what one server writes, the other reads at once', async () => {
  const { servers } = await twoServers()
  for (let i = 0; i < 20; i++) {
    const [writer, reader] = i % 2 ? servers : servers.toReversed()
    await writer?.ask('POST', '/api/v1/namespaces/default/configmaps', { body: { metadata: { name: `c-${i}` } } })
    expect((await reader?.ask('GET', `/api/v1/namespaces/default/configmaps/c-${i}`))?.code).toBe(200)
  }
})

test('the kubernetes Service leads to every server that runs', async () => {
  const { servers, clock } = await twoServers()
  expect(await addressesAt(servers[0])).toEqual(['192.0.2.1', '192.0.2.2'])
  await clock.advance(60_000)
  expect(await addressesAt(servers[1])).toEqual(['192.0.2.1', '192.0.2.2'])
  await servers[0].server.close()
  expect(await addressesAt(servers[1])).toEqual(['192.0.2.2'])
})

test('a store that cannot be written to is unavailable; an outcome that nobody knows is a timeout', async () => {
  const { servers } = await twoServers()
  const { store } = servers[0]
  const body = { metadata: { name: 'c' } }
  for (const [error, said] of [
    [new UnavailableError('no member of etcd can be reached'), '503 no member of etcd can be reached'],
    [new UnknownOutcomeError(), '504 Timeout: the store did not answer: the write may have taken place'],
  ] as const) {
    store.commit = () => Promise.reject(error)
    const answer = await servers[0].ask('POST', '/api/v1/namespaces/default/configmaps', { body })
    expect(`${answer.code} ${(answer.object as { message?: string }).message}`).toBe(said)
    const { details } = answer.object as { details?: { retryAfterSeconds?: number } }
    expect(details?.retryAfterSeconds).toBe(error instanceof UnavailableError ? 1 : undefined)
  }
})
