import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { assemble } from '../../src/bpf/assemble.ts'
import { BpfCalls, VerifierError } from '../../src/bpf/bpf-calls.ts'
import { attachTypes } from '../../src/bpf/bpf-kinds.ts'
import { exit, move } from '../../src/bpf/instructions.ts'
import { openSocketBalancer, removeSocketBalancing, type SocketBalancer } from '../../src/bpf/socket-balancer.ts'
import { mapSpecs } from '../../src/bpf/socket-maps.ts'
import type { BalancedPort } from '../../src/bpf/socket-table.ts'
import { type Libc, loadLibc } from '../../src/host/libc.ts'
import { silentLog } from '../../src/host/log.ts'
import { type Answer, buildSocketWorld, type PodName, podAddress, type SocketWorld } from './socket-world.ts'

const root = process.getuid?.() === 0
if (!root) console.warn('skipped: socket balancing needs root')

const clusterIp = { 4: '10.96.77.10', 6: 'fd96::10' } as const
const port = 80

function balanced(protocol: 'tcp' | 'udp', family: 4 | 6, to: readonly PodName[], affinitySeconds?: number): BalancedPort {
  return {
    name: `${protocol}/${family}`,
    protocol,
    frontends: [{ address: clusterIp[family], port }],
    endpoints: to.map((pod) => ({ address: podAddress(pod, family), port: 8080 })),
    affinitySeconds,
  }
}
const all = (to: readonly PodName[], affinitySeconds?: number): BalancedPort[] =>
  (['tcp', 'udp'] as const).flatMap((protocol) => ([4, 6] as const).map((family) => balanced(protocol, family, to, affinitySeconds)))

/** Nothing but the translation leads from a Service's address to a pod. */
const untranslated = ['EHOSTUNREACH']
const whoIn = (answers: readonly Answer[]): string[] =>
  answers.map((each) => (typeof each === 'string' ? each : (each.answer.split('|')[0] as string)))
const distinct = <T>(items: readonly T[]): T[] => [...new Set(items)].sort()

describe.skipIf(!root)('sockets of processes in a cgroup', () => {
  let world: SocketWorld
  let balancer: SocketBalancer

  const open = (): SocketBalancer => {
    const opened = openSocketBalancer({ cgroupPath: world.cgroupPath, log: silentLog })
    if ('unavailable' in opened) throw new Error(opened.unavailable)
    return opened
  }
  const serve = (ports: readonly BalancedPort[]): void => balancer.update('default/web', ports)

  beforeAll(async () => {
    world = await buildSocketWorld()
    balancer = open()
    balancer.start()
  })
  afterAll(async () => {
    balancer?.close()
    if (world) removeSocketBalancing(world.cgroupPath)
    await world?.dismantle()
  })

  test.each([4, 6] as const)(
    'TCP over IPv%i reaches every endpoint, with the own address, and getpeername shows the Service',
    async (family) => {
      serve(all(['a', 'b', 'c']))
      const answers = await world.ask('client', { do: 'tcp', address: clusterIp[family], port, times: 40 })
      expect(distinct(whoIn(answers))).toEqual(['a', 'b', 'c'])
      for (const answer of answers) {
        expect(answer).toMatchObject({
          answer: expect.stringContaining(`|${podAddress('client', family)}`),
          peer: `${clusterIp[family]}:80`,
        })
      }
    },
  )

  test('an IPv6 socket reaches an IPv4 Service by its mapped address', async () => {
    serve(all(['a', 'b', 'c']))
    const [tcp] = await world.ask('client', { do: 'tcp', address: `::ffff:${clusterIp[4]}`, port })
    expect(tcp).toMatchObject({ answer: expect.stringContaining(`|${podAddress('client')}`), peer: `${clusterIp[4]}:80` })
    const [udp] = await world.ask('client', { do: 'udp', type: 'udp6', socket: 'mapped', address: `::ffff:${clusterIp[4]}`, port })
    expect(udp).toMatchObject({ answer: expect.stringContaining(`|${podAddress('client')}`), peer: `${clusterIp[4]}:80` })
    const [connected] = await world.ask('client', { do: 'connected', type: 'udp6', socket: 'm2', address: `::ffff:${clusterIp[4]}`, port })
    expect(connected).toMatchObject({ peer: `${clusterIp[4]}:80`, remote: `${clusterIp[4]}:80` })
  })

  test.each([4, 6] as const)('UDP over IPv%i: answers come from the Service, whether the socket is connected or not', async (family) => {
    serve(all(['a', 'b', 'c']))
    const type = family === 4 ? 'udp4' : 'udp6'
    const seen = new Set<string>()
    for (let i = 0; i < 20; i++) {
      const request = { type, address: clusterIp[family], port, times: 2 } as const
      const free = await world.ask('client', { ...request, do: 'udp', socket: `free${family}${i}` })
      expect(free[0]).toMatchObject({ peer: `${clusterIp[family]}:80` })
      expect(whoIn(free)[1]).toBe(whoIn(free)[0]) // a conversation stays with its endpoint
      const connected = await world.ask('client', { ...request, do: 'connected', socket: `connected${family}${i}` })
      expect(connected[0]).toMatchObject({ peer: `${clusterIp[family]}:80`, remote: `${clusterIp[family]}:80` })
      seen.add(whoIn(free)[0] as string).add(whoIn(connected)[0] as string)
    }
    expect([...seen].sort()).toEqual(['a', 'b', 'c'])
  })

  test('endpoints get equal shares', async () => {
    serve(all(['a', 'b', 'c']))
    const who = whoIn(await world.ask('client', { do: 'tcp', address: clusterIp[4], port, times: 900 }))
    for (const pod of ['a', 'b', 'c']) {
      // Of 900, each gets 300 on average; more than six standard deviations (14) off has a chance of one in a thousand million.
      expect(who.filter((each) => each === pod).length).toBeGreaterThan(300 - 85)
    }
  })

  test('a client with session affinity stays where it is, until its endpoint goes or its time is over', async () => {
    serve(all(['a', 'b', 'c'], 10_800))
    const ask = async (client: 'client' | 'other', times: number) =>
      whoIn(await world.ask(client, { do: 'tcp', address: clusterIp[4], port, times }))
    const [first, ...others] = distinct(await ask('client', 20))
    expect(others).toEqual([])
    serve(all(['a', 'b', 'c'].filter((pod) => pod === first).concat(['b', 'c', 'a'].filter((pod) => pod !== first)) as PodName[], 10_800))
    expect(distinct(await ask('client', 10))).toEqual([first])
    const left = (['a', 'b', 'c'] as const).filter((pod) => pod !== first)
    serve(all(left, 10_800))
    const [second, ...more] = distinct(await ask('client', 20))
    expect(left).toContain(second)
    expect(more).toEqual([])
    serve(all(['a', 'b', 'c'], 1))
    const seen = new Set<string>()
    for (let i = 0; i < 30 && seen.size < 2; i++) {
      for (const pod of await ask('client', 1)) seen.add(pod)
      await new Promise((resolve) => setTimeout(resolve, 1_100))
    }
    expect(seen.size).toBe(2)
  })

  test('without endpoints connections are left to what lies beneath, and what is no Service too', async () => {
    serve(all([]))
    expect(await world.ask('client', { do: 'tcp', address: clusterIp[4], port })).toEqual(untranslated)
    serve(all(['a']))
    expect(await world.ask('client', { do: 'tcp', address: clusterIp[4], port: 81 })).toEqual(untranslated)
    const [direct] = await world.ask('client', { do: 'tcp', address: podAddress('b'), port: 8080 })
    expect(direct).toMatchObject({ peer: `${podAddress('b')}:8080` })
  })

  test('processes outside the cgroup are not touched', async () => {
    serve(all(['a']))
    expect(await world.ask('stranger', { do: 'tcp', address: clusterIp[4], port })).toEqual(untranslated)
  })

  test('a pod reaches itself through its Service', async () => {
    serve(all(['a']))
    const [answer] = await world.ask('a', { do: 'tcp', address: clusterIp[4], port })
    expect(answer).toMatchObject({ answer: `a|${podAddress('a')}`, peer: `${clusterIp[4]}:80` })
  })

  test('UDP moves on when its endpoint goes: at once where it is not connected, by a new socket where it is', async () => {
    serve([])
    balancer.endStaleSockets() // of other tests
    serve(all(['a']))
    const free = { do: 'udp', type: 'udp4', socket: 'moving', address: clusterIp[4], port } as const
    const connected = { ...free, do: 'connected', socket: 'held' } as const
    const direct = { ...connected, socket: 'direct', address: podAddress('a'), port: 8080 } as const
    for (const request of [free, connected, direct]) expect(whoIn(await world.ask('client', request))).toEqual(['a'])
    serve(all(['b']))
    expect(balancer.endStaleSockets()).toBe(1)
    expect(whoIn(await world.ask('client', free))).toEqual(['b'])
    expect(await world.ask('client', connected)).toEqual([expect.stringMatching(/ECONNABORTED|EDESTADDRREQ/)])
    expect(whoIn(await world.ask('client', direct))).toEqual(['a']) // its own choice, and none of ours
    await world.ask('client', { do: 'close', socket: 'held' })
    expect(whoIn(await world.ask('client', connected))).toEqual(['b'])
  })

  test('counts connections and flows', async () => {
    serve([])
    serve(all(['a', 'b', 'c']))
    await world.ask('client', { do: 'tcp', address: clusterIp[4], port, times: 7 })
    await world.ask('client', { do: 'udp', type: 'udp4', socket: 'counted', address: clusterIp[4], port, times: 5 })
    const count = (name: string) => balancer.counters().find((each) => each.port === name)?.connections
    expect([count('tcp/4'), count('udp/4')]).toEqual([7n, 1n])
  })

  test('a restart takes over: nothing is interrupted, affinity lives on, what is no longer wanted goes', async () => {
    serve(all(['a', 'b', 'c'], 10_800))
    balancer.update('default/old', [{ ...balanced('tcp', 4, ['a']), frontends: [{ address: '10.96.77.99', port }] }])
    const ask = async () => distinct(whoIn(await world.ask('client', { do: 'tcp', address: clusterIp[4], port, times: 10 })))
    const before = await ask()
    balancer.close()
    expect(await ask()).toEqual(before) // while nobody runs
    balancer = open()
    expect(await ask()).toEqual(before) // before the new one knows anything
    serve(all(['a', 'b', 'c'], 10_800))
    balancer.start()
    expect(await ask()).toEqual(before)
    expect(balancer.counters().find((each) => each.port === 'tcp/4')?.connections).toBeGreaterThanOrEqual(40n)
    expect(await world.ask('client', { do: 'tcp', address: '10.96.77.99', port })).toEqual(untranslated)
  })

  test('a Service for which there is no room is left beneath, others are not, and it is tried again', async () => {
    serve(all(['a']))
    const place = (i: number) => ({ address: `10.${100 + (i >> 16)}.${(i >> 8) & 0xff}.${i & 0xff}`, port })
    // One too many, beside the four frontends of the other Service.
    const huge = Array.from({ length: mapSpecs.frontends.maxEntries - 4 }, (_, i) => place(i))
    const served = { address: '10.96.77.50', port }
    const ask = () => world.ask('client', { do: 'tcp', ...served })
    expect(() => balancer.update('default/huge', [{ ...balanced('tcp', 4, ['b']), frontends: [served, ...huge] }])).toThrow('E2BIG')
    expect(await ask()).toEqual(untranslated)
    expect(() => balancer.repair()).toThrow('E2BIG')
    serve(all(['c']))
    expect(whoIn(await world.ask('client', { do: 'tcp', address: clusterIp[4], port }))).toEqual(['c'])
    serve([])
    expect(balancer.repair()).toBe(true)
    expect(whoIn(await ask())).toEqual(['b'])
    balancer.update('default/huge', [])
    expect(await ask()).toEqual(untranslated)
  })

  test('what someone detached is put back', async () => {
    serve(all(['a']))
    removeSocketBalancing(world.cgroupPath)
    expect(await world.ask('client', { do: 'tcp', address: clusterIp[4], port })).toEqual(untranslated)
    expect(balancer.repair()).toBe(true)
    expect(balancer.repair()).toBe(false)
    expect(whoIn(await world.ask('client', { do: 'tcp', address: clusterIp[4], port }))).toEqual(['a'])
  })

  test('a program that the kernel refuses is told with what its verifier says', () => {
    const bpf = new BpfCalls(loadLibc() as Libc)
    const load = () => bpf.loadProgram('wrong', assemble([move('r0', 'r3'), exit], {}), attachTypes.connect4)
    expect(load).toThrow(VerifierError)
    expect(load).toThrow(/the kernel refuses the program wrong:.*R3 !read_ok/s)
  })

  test('removal leaves nothing attached', async () => {
    expect(removeSocketBalancing(world.cgroupPath)).toBe(true)
    expect(removeSocketBalancing(world.cgroupPath)).toBe(false)
    expect(await world.ask('client', { do: 'tcp', address: clusterIp[4], port })).toEqual(untranslated)
  })
})
