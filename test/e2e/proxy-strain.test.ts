import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { EndpointSlice, ServiceCIDR, ServicePort, ServiceSpec } from '../../src/api/generated/types.ts'
import { systemClock } from '../../src/host/clock.ts'
import { mustRun } from '../../src/host/exec.ts'
import { service, slice, world } from '../../src/proxy/testing/scenes.ts'
import { TableApi } from '../../src/proxy/testing/table-api.ts'
import { eventually, everyWay, familyOn, ProxyBed, type RunningProxy } from './proxy-back-ends.ts'
import { buildWorld, type PacketWorld, podGateway } from './proxy-world.ts'

const root = process.getuid?.() === 0
if (!root) console.warn('skipped: the proxy tests need root')

/** Addresses that all belong to pod `a`. */
const manyOfA = '10.244.64.0/20'
/** The twins of the same. */
const manyOfA6 = 'fd77::a:f4:40:0/108'
const addressOfA = (i: number): string => `10.244.${64 + (i >> 8)}.${i & 255}`

/** What is more than the scenes have: in number, in haste, or in contention. */
describe.skipIf(!root).each(everyWay)('more than usual through $way', ({ backEnd, tested: { family, six, twin } }) => {
  let packets: PacketWorld
  /** Pods' gateway is the node's second address in IPv4; in IPv6 it is one of a link alone, and cannot be. */
  const secondAddress = twin(podGateway)
  const table = new TableApi()
  /** The same objects in either family. */
  const api = {
    put: (object: Parameters<TableApi['put']>[0]): void => table.put(twin(object)),
    remove: (object: Parameters<TableApi['remove']>[0]): void => table.remove(twin(object)),
  }
  let running: RunningProxy | undefined
  const ask = (to: string, times: number, from: 'far' | 'outside' = 'far'): Promise<string[]> => packets.ask(from, 'tcp', twin(to), times)
  const pods = async (to: string, times: number): Promise<Set<string>> =>
    new Set((await ask(to, times)).map((answer) => answer.split('|')[0] as string))

  beforeAll(async () => {
    packets = await buildWorld()
    const version = six ? '-6' : '-4'
    const range = six ? manyOfA6 : manyOfA
    await mustRun(packets.nodeExec, 'ip', [version, 'route', 'add', range, 'via', twin(world.pods.a), 'dev', 'v-a', 'onlink'])
    if (six) await mustRun(packets.nodeExec, 'ip', ['-6', 'address', 'add', `${secondAddress}/128`, 'dev', 'lo'])
    await mustRun(
      {
        run: (program, args, options) =>
          packets.nodeExec.run('nsenter', [`--net=/run/netns/${packets.namespaceOf('a')}`, program, ...args], options),
      },
      'ip',
      [version, 'route', 'add', 'local', range, 'dev', 'lo'],
    )
    running = await new ProxyBed(packets, backEnd).start(table, { families: [familyOn[family]] })
  })
  afterAll(async () => {
    await running?.stop()
    await packets?.dismantle()
  })

  test('3,000 endpoints, then all but one gone, then others', async () => {
    const slices = (from: number, count: number): EndpointSlice[] =>
      Array.from({ length: 30 }, (_, i) => {
        const one = slice('crowd', [])
        const addresses = Array.from({ length: 100 }, (_, j) => i * 100 + j).filter((n) => n < count)
        one.metadata.name = `crowd-${i}`
        one.endpoints = addresses.map((n) => ({ addresses: [addressOfA(from + n)], conditions: { ready: true }, nodeName: world.node }))
        return one
      })
    const put = (from: number, count: number): void => {
      for (const each of slices(from, count)) api.put(each)
    }
    api.put(service('crowd', '10.96.8.1', [{}]))
    put(1, 3_000)
    await eventually(async () => (await pods('10.96.8.1:80', 1)).has('a'))
    expect(await pods('10.96.8.1:80', 60)).toEqual(new Set(['a']))
    put(1, 1)
    expect(await pods('10.96.8.1:80', 60)).toEqual(new Set(['a']))
    put(500, 2_999)
    expect(await pods('10.96.8.1:80', 60)).toEqual(new Set(['a']))
    put(1, 0)
    await eventually(async () => (await ask('10.96.8.1:80', 1))[0] === 'ECONNREFUSED')
  })

  test('a hundred ports of one Service; half of them go', async () => {
    const ports = (count: number): Partial<ServicePort>[] =>
      Array.from({ length: count }, (_, i) => ({ name: `p${i}`, port: 1000 + i, nodePort: 31_000 + i }))
    api.put(service('ports', '10.96.8.2', ports(100), { type: 'NodePort' }))
    api.put(
      slice(
        'ports',
        ['b'],
        ports(100).map(({ name }, i) => ({ name: name as string, port: 8080 + (i % 2) })),
      ),
    )
    await eventually(async () => (await pods('10.96.8.2:1099', 1)).has('b'))
    for (const port of [1000, 1001, 1049, 1050]) expect(await pods(`10.96.8.2:${port}`, 1)).toEqual(new Set(['b']))
    expect((await ask(`${world.nodeAddress}:31099`, 1, 'outside'))[0]).toMatch(/^b\|/)
    api.put(service('ports', '10.96.8.2', ports(50), { type: 'NodePort' }))
    await eventually(async () => (await ask('10.96.8.2:1099', 1))[0] === 'ECONNREFUSED')
    expect(await pods('10.96.8.2:1049', 1)).toEqual(new Set(['b']))
    expect((await ask('10.96.8.2:1050', 1))[0]).toBe('ECONNREFUSED')
  })

  test('two Services with the same external address and node port: one has it, the other when that goes', async () => {
    const claims: Partial<ServiceSpec> = { type: 'NodePort', externalIPs: ['198.51.100.77'] }
    const claimants = { first: 'b', second: 'c' } as const
    const all = Object.entries(claimants).map(([name], i) => service(name, `10.96.8.${10 + i}`, [{ nodePort: 30_777 }], claims))
    for (const each of all) api.put(each)
    for (const [name, pod] of Object.entries(claimants)) api.put(slice(name, [pod]))
    const holder = async (to: string): Promise<string | undefined> => {
      const answers = new Set((await ask(to, 10, 'outside')).map((answer) => answer.split('|')[0] as string))
      return answers.size === 1 ? [...answers][0] : undefined
    }
    const places = ['198.51.100.77:80', `${world.nodeAddress}:30777`] as const
    await eventually(async () => (await pods('10.96.8.11:80', 1)).has('c'))
    for (const place of places) expect(await holder(place)).toMatch(/^[bc]$/)
    const [first, second] = all as [(typeof all)[0], (typeof all)[0]]
    api.remove(first)
    for (const place of places) await eventually(async () => (await holder(place)) === 'c')
    api.put(first)
    api.remove(second)
    for (const place of places) await eventually(async () => (await holder(place)) === 'b')
    api.remove(first)
  })

  // nft 1.0 writes over the end of an IPv6 client's address in the rule that remembers it: the proxy says so at its start.
  const forgets = backEnd.program === true && six

  test.skipIf(forgets)('each Service has its own time of affinity', async () => {
    const sticky = (name: string, address: string, seconds: number): void => {
      api.put(
        service(name, address, [{}], { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: seconds } } }),
      )
      api.put(slice(name, ['a', 'b', 'c']))
    }
    sticky('short', '10.96.8.20', 1)
    sticky('long', '10.96.8.21', 10_000)
    await eventually(async () => !(await pods('10.96.8.21:80', 1)).has('ECONNREFUSED'))
    const stays = await pods('10.96.8.21:80', 5)
    expect(stays.size).toBe(1)
    const seen = new Set<string>()
    await eventually(async () => {
      await systemClock.sleep(2_100)
      for (const pod of await pods('10.96.8.20:80', 1)) seen.add(pod)
      return seen.size > 1
    })
    expect(await pods('10.96.8.21:80', 5)).toEqual(stays)
  })

  test('node ports answer at the addresses that are asked for, also when these change', async () => {
    api.put(service('placed', '10.96.8.40', [{ nodePort: 30_840 }], { type: 'NodePort' }))
    api.put(slice('placed', ['b']))
    const places = [`${world.nodeAddress}:30840`, `${podGateway}:30840`] as const
    const answers = (): Promise<string[]> =>
      Promise.all(places.map(async (place) => ((await ask(place, 1))[0]?.startsWith('b|') ? 'served' : 'not served')))
    const changeTo = async (nodePortAddresses: readonly string[]): Promise<void> => {
      await running?.stop()
      running = await new ProxyBed(packets, backEnd).start(table, {
        families: [{ ...familyOn[family], nodePortAddresses: twin(nodePortAddresses) }],
      })
    }
    await eventually(async () => (await answers()).join() === 'served,not served')
    await changeTo([]) // all
    expect(await answers()).toEqual(['served', 'served'])
    await changeTo(['169.254.0.0/16', '10.0.0.0/8'])
    expect(await answers()).toEqual(['not served', 'served'])
    await changeTo(['192.168.77.0/24', '192.168.77.1/32'])
    expect(await answers()).toEqual(['served', 'not served'])
  })

  test('an address of a ServiceCIDR that no Service has is refused while there is that ServiceCIDR', async () => {
    const range: ServiceCIDR = {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'ServiceCIDR',
      metadata: { name: 'more', uid: 'more', resourceVersion: '', creationTimestamp: '2026-01-01T00:00:00Z' },
      spec: { cidrs: ['10.97.0.0/16'] },
    }
    const answers = async (from: 'far' | 'outside', protocol: string): Promise<string | undefined> =>
      (await packets.ask(from, protocol, twin('10.97.0.9:80'), 1))[0]
    expect(await answers('far', 'tcp')).not.toBe('ECONNREFUSED')
    api.put(range)
    await eventually(async () => (await answers('far', 'tcp')) === 'ECONNREFUSED')
    expect([await answers('far', 'udp'), await answers('outside', 'tcp')]).toEqual(['ECONNREFUSED', 'ECONNREFUSED'])
    // One that a Service then has is served.
    api.put(service('new', '10.97.0.9', [{}]))
    api.put(slice('new', ['b']))
    await eventually(async () => (await answers('far', 'tcp'))?.startsWith('b|') ?? false)
    api.remove(range)
    expect(await answers('far', 'tcp')).toMatch(/^b\|/)
  })

  test('no connection fails while policies and affinity change back and forth', async () => {
    const flip = (n: number): void =>
      api.put(
        service('flip', '10.96.8.41', [{ nodePort: 30_841 }], {
          type: 'NodePort',
          internalTrafficPolicy: n & 1 ? 'Local' : 'Cluster',
          externalTrafficPolicy: n & 2 ? 'Local' : 'Cluster',
          sessionAffinity: n & 4 ? 'ClientIP' : 'None',
          ...(n & 4 ? { sessionAffinityConfig: { clientIP: { timeoutSeconds: n & 8 ? 10_800 : 100 } } } : {}),
        }),
      )
    flip(0)
    api.put(slice('flip', ['a', 'b', 'c']))
    await eventually(async () => !(await pods('10.96.8.41:80', 1)).has('ECONNREFUSED'))
    let [flips, isOver] = [0, false]
    const flipping = (async () => {
      for (; !isOver; await systemClock.sleep(5)) flip(++flips)
    })()
    try {
      const answers = await Promise.all([ask('10.96.8.41:80', 300), ask(`${world.nodeAddress}:30841`, 300, 'outside')])
      for (const each of answers) expect(each.filter((answer) => !/^[abc]\|/.test(answer))).toEqual([])
    } finally {
      isOver = true
      await flipping
    }
    expect(flips).toBeGreaterThan(10)
    if (forgets) return
    // At the end, what holds last: with affinity a client has one endpoint; without, all; with it again, one, that is there.
    flip(4)
    await eventually(async () => (await pods('10.96.8.41:80', 20)).size === 1)
    const [before] = await pods('10.96.8.41:80', 1)
    flip(0)
    await eventually(async () => (await pods('10.96.8.41:80', 40)).size === 3)
    const left = (['a', 'b', 'c'] as const).filter((pod) => pod !== before)
    api.put(slice('flip', left))
    flip(4)
    await eventually(async () => (await pods('10.96.8.41:80', 20)).size === 1)
    expect(left).toContain([...(await pods('10.96.8.41:80', 1))][0])
    // And by a Local policy the client's own address is seen.
    flip(2)
    const own = twin(world.outside)
    await eventually(async () => (await ask(`${world.nodeAddress}:30841`, 5, 'outside')).every((answer) => answer.endsWith(`|${own}`)))
  })

  test('no connection fails while endpoints come and go', async () => {
    // Not the client: a pod that serves elsewhere cannot reach itself through this node.
    const names = ['a', 'b', 'c'] as const
    api.put(service('busy', '10.96.8.30', [{ nodePort: 30_830 }], { type: 'NodePort' }))
    api.put(service('busy-sticky', '10.96.8.31', [{}], { sessionAffinity: 'ClientIP' }))
    for (const name of ['busy', 'busy-sticky']) api.put(slice(name, names))
    await eventually(async () => !(await pods('10.96.8.31:80', 1)).has('ECONNREFUSED'))
    let isOver = false
    let changes = 0
    const change = async (): Promise<void> => {
      while (!isOver) {
        // Every set of pods but the empty one, in an order that jumps.
        const which = ((changes * 5) % 7) + 1
        const some = names.filter((_, i) => which & (1 << i))
        api.put(slice('busy', some))
        api.put(slice('busy-sticky', some))
        changes++
        await systemClock.sleep(0)
      }
    }
    const changing = change()
    try {
      const answers = await Promise.all([
        ask('10.96.8.30:80', 1_000),
        ask('10.96.8.31:80', 1_000),
        ask(`${world.nodeAddress}:30830`, 1_000, 'outside'),
      ])
      for (const each of answers) expect(each.filter((answer) => !/^[abc]\|/.test(answer))).toEqual([])
      expect(new Set(answers[0].map((answer) => answer.split('|')[0])).size).toBe(3)
    } finally {
      isOver = true
      await changing
    }
    expect(changes).toBeGreaterThan(10)
  })
})
