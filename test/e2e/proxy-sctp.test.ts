import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/host/clock.ts'
import { addressInIpv6, inIpv6, world6 } from '../../src/proxy/testing/ipv6-scenes.ts'
import { endpoint, type PodName, service, slice, world } from '../../src/proxy/testing/scenes.ts'
import { TableApi } from '../../src/proxy/testing/table-api.ts'
import { backEnds, eventually, familyOn, ProxyBed, type RunningProxy } from './proxy-back-ends.ts'
import { buildWorld, type PacketWorld } from './proxy-world.ts'
import { SctpSocket } from './sctp-packets.ts'

const root = process.getuid?.() === 0
if (!root) console.warn('skipped: the proxy tests need root')

/** Packets alone, made by hand: few kernels have sockets of SCTP, but all translate it. */
describe.skipIf(!root).each(backEnds)('SCTP through $name', (backEnd) => {
  let packets: PacketWorld
  let running: RunningProxy | undefined
  const api = new TableApi()
  let port = 20_000

  beforeAll(async () => {
    packets = await buildWorld()
    const calls = service('calls', '10.96.0.50', [{ port: 80, protocol: 'SCTP', nodePort: 30_050 }], { type: 'NodePort' })
    const slices = slice('calls', ['a', 'b'], [{ protocol: 'SCTP', port: 3868 }])
    // The same address and port by another protocol go elsewhere.
    calls.spec.ports?.push({ name: 'web', port: 80, protocol: 'TCP' })
    for (const object of [calls, slices]) {
      const six = inIpv6(object)
      for (const each of [object, { ...six, metadata: { ...six.metadata, name: `${six.metadata.name}-six` } }]) {
        if (each !== object && each.kind === 'EndpointSlice') each.metadata.labels = { 'kubernetes.io/service-name': 'calls-six' }
        api.put(each)
      }
    }
    running = await new ProxyBed(packets, backEnd).start(api, {
      families: [familyOn.IPv4, familyOn.IPv6],
    })
  })
  afterAll(async () => {
    await running?.stop()
    await packets?.dismantle()
  })

  /** How many of some associations each pod is asked for; all that comes must be whole and to the target port. */
  async function counts(from: 'far' | 'outside', to: string, toPort: number, times: number): Promise<{ a: number; b: number }> {
    const six = to.includes(':')
    const sockets = { a: new SctpSocket(packets.namespaceOf('a'), six), b: new SctpSocket(packets.namespaceOf('b'), six) }
    const client = new SctpSocket(packets.namespaceOf(from), six)
    const seen = { a: 0, b: 0 }
    try {
      for (let i = 0; i < times; i++) client.sendInit(to, port++, toPort)
      const look = (): number => {
        for (const pod of ['a', 'b'] as const) {
          const got = sockets[pod].received()
          for (const each of got) expect(each).toEqual({ to: 3868, isIntact: true })
          seen[pod] += got.length
        }
        return seen.a + seen.b
      }
      await eventually(async () => look() >= times)
      await systemClock.sleep(50) // and no more than that
      expect(look()).toBe(times)
    } finally {
      for (const socket of [client, ...Object.values(sockets)]) socket.close()
    }
    return seen
  }

  const address = '10.96.0.50'
  test.each([
    ['a cluster address', 'far', address, 80],
    ['a node port', 'outside', world.nodeAddress, 30_050],
    ['an IPv6 cluster address', 'far', addressInIpv6(address), 80],
    ['an IPv6 node port', 'outside', world6.nodeAddress, 30_050],
  ] as const)('is shared among the endpoints by %s', async (_name, from, to, toPort) => {
    const { a, b } = await counts(from, to, toPort, 40)
    expect(Math.min(a, b)).toBeGreaterThan(0)
  })

  test('a client that comes back from the same port, whose endpoint is gone, finds another', async () => {
    const [client, ...pods] = (['far', 'a', 'b'] as const).map((name) => new SctpSocket(packets.namespaceOf(name), false))
    /** Who is asked, when the client begins anew from the same port. */
    const asked = async (): Promise<'a' | 'b' | undefined> => {
      client?.sendInit('10.96.0.50', 19_999, 80)
      await systemClock.sleep(20)
      const got = pods.map((pod) => pod.received().length > 0)
      return got[0] ? 'a' : got[1] ? 'b' : undefined
    }
    const put = (...left: PodName[]): void => api.put(slice('calls', left, [{ protocol: 'SCTP', port: 3868 }]))
    try {
      const first = (await asked()) as 'a' | 'b'
      expect(first).toMatch(/^[ab]$/)
      const other = first === 'a' ? 'b' : 'a'
      // One that is not ready any more keeps its association, as it would a connection.
      const unready = slice('calls', [endpoint(first, { ready: false, serving: false }), other], [{ protocol: 'SCTP', port: 3868 }])
      api.put(unready)
      await systemClock.sleep(500)
      expect(await asked()).toBe(first)
      put(other)
      await eventually(async () => (await asked()) === other)
    } finally {
      for (const socket of [client, ...pods]) socket?.close()
    }
  })
})
