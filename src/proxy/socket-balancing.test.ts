import { describe, expect, test } from 'vitest'
import type { BalancedPort } from '../bpf/socket-table.ts'
import { lineLog, silentLog } from '../host/log.ts'
import { chooseEndpoints } from './choose-endpoints.ts'
import { proxiedPorts } from './service-port.ts'
import type { ServiceRules } from './service-rules.ts'
import { type Balancer, balancedPorts, SocketBalancing } from './socket-balancing.ts'
import { endpoint, service, slice, world } from './testing/scenes.ts'

const shown = (ports: readonly BalancedPort[]): Record<string, string> =>
  Object.fromEntries(
    ports.flatMap(({ protocol, frontends, endpoints }) =>
      frontends.map(({ address, port }) => [`${protocol} ${address}:${port}`, endpoints.map((each) => each.address).join(' ')]),
    ),
  )
const { a, far } = world.pods

describe('what sockets are told of a Service', () => {
  const told = (spec: Parameters<typeof service>[3], port: Parameters<typeof service>[2][number] = {}, status = {}, protocol = 'TCP') => {
    const named = { ...service('x', '10.96.0.10', [{ protocol, ...port }], spec), status }
    const [ported] = proxiedPorts(named, [slice('x', ['a', endpoint('far')], [{ protocol }])], 'IPv4')
    if (!ported) throw new Error('no port')
    return shown(
      balancedPorts({ port: ported, choice: chooseEndpoints(ported, { name: world.node, zone: undefined }) }, [
        world.nodeAddress,
        '10.9.0.0/16',
      ]),
    )
  }

  test('its cluster address, node port and outside addresses go to every endpoint', () => {
    expect(told({ type: 'NodePort', externalIPs: ['198.51.100.1'] }, { nodePort: 30001 })).toEqual({
      'tcp 10.96.0.10:80': `${a} ${far}`,
      'tcp 198.51.100.1:80': `${a} ${far}`,
      [`tcp ${world.nodeAddress}:30001`]: `${a} ${far}`,
    })
  })

  test('internalTrafficPolicy Local: the cluster address to endpoints of this node, others to all', () => {
    expect(told({ type: 'NodePort', internalTrafficPolicy: 'Local' }, { nodePort: 30001 })).toEqual({
      'tcp 10.96.0.10:80': a,
      [`tcp ${world.nodeAddress}:30001`]: `${a} ${far}`,
    })
  })

  test('externalTrafficPolicy Local: pods take the short way to all endpoints', () => {
    expect(told({ type: 'NodePort', externalTrafficPolicy: 'Local' }, { nodePort: 30001 })[`tcp ${world.nodeAddress}:30001`]).toBe(
      `${a} ${far}`,
    )
  })

  test("balancers' addresses for some sources only, and SCTP, are left to the rules", () => {
    const status = { loadBalancer: { ingress: [{ ip: '198.51.100.9' }] } }
    const spec = { type: 'LoadBalancer', allocateLoadBalancerNodePorts: false }
    expect(Object.keys(told(spec, {}, status))).toEqual(['tcp 10.96.0.10:80', 'tcp 198.51.100.9:80'])
    expect(Object.keys(told({ ...spec, loadBalancerSourceRanges: ['192.0.2.0/24'] }, {}, status))).toEqual(['tcp 10.96.0.10:80'])
    expect(told({}, {}, {}, 'SCTP')).toEqual({})
  })
})

describe('sockets beside rules', () => {
  const scene = (refusal: { message: string | undefined }) => {
    const events: string[] = []
    const balancer: Balancer = {
      update(key, ports) {
        if (refusal.message !== undefined) throw new Error(refusal.message)
        events.push(`sockets ${key} ${ports.length}`)
      },
      start: () => void events.push('start'),
      repair: () => refusal.message === undefined,
      endStaleSockets: () => 0,
      close: () => void events.push('close'),
    }
    const rules: ServiceRules = {
      family: 'IPv4',
      isTold: false,
      update: (key) => void events.push(`rules ${key}`),
      apply: async () => {
        events.push('apply')
        return undefined
      },
      repair: async () => false,
      counts: () => new Map(),
      close: () => undefined,
    }
    const lines: string[] = []
    const log = lineLog((line) => lines.push(line), { level: 'warn', now: () => 0 })
    const sockets = new SocketBalancing(balancer, log)
    return { events, lines, sockets, beside: sockets.beside(rules, []) }
  }

  test('rules come first, so that what sockets leave is found there', async () => {
    const { events, beside } = scene({ message: undefined })
    beside.update('test/x', [])
    await beside.apply()
    expect(events).toEqual(['rules test/x', 'apply', 'sockets IPv4 test/x 0', 'start'])
  })

  test('a refusal is told once, stops nothing, and is tried again with the look for drift', async () => {
    const refusal: { message: string | undefined } = { message: 'E2BIG' }
    const { events, lines, beside } = scene(refusal)
    for (const key of ['test/x', 'test/y']) {
      beside.update(key, [])
      await beside.apply()
    }
    expect(events.filter((event) => event === 'apply')).toHaveLength(2)
    expect(lines).toEqual([expect.stringContaining('the balancing of sockets could not be changed; rules serve meanwhile error="E2BIG"')])
    expect(await beside.repair()).toBe(false)
    refusal.message = undefined
    expect(await beside.repair()).toBe(true)
  })

  test('where the machine cannot do it, that is said once and the proxy goes on without', () => {
    const lines: string[] = []
    const log = lineLog((line) => lines.push(line), { level: 'warn', now: () => 0 })
    expect(SocketBalancing.open({ cgroupPath: '/proc/self' }, log)).toBeUndefined()
    expect(lines).toEqual([expect.stringContaining('/proc/self is no cgroup of version 2')])
    expect(SocketBalancing.open({ cgroupPath: '/nowhere' }, silentLog)).toBeUndefined()
  })
})
