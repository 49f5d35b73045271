import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import type { Node } from '../api/generated/types.ts'
import { systemClock } from '../host/clock.ts'
import { silentLog } from '../host/log.ts'
import { systemRandom } from '../host/random.ts'
import { programConntrack } from '../netfilter/conntrack/program-conntrack.ts'
import { FakeKernel } from '../netfilter/fake-kernel.ts'
import { factsOf } from './node-watch.ts'
import { type ProxyOptions, startProxy } from './proxy.ts'
import { endpoint, service, slice, world } from './testing/scenes.ts'
import { TableApi } from './testing/table-api.ts'

const stopping = new Set<() => Promise<void>>()
afterEach(async () => {
  for (const stop of stopping) await stop()
  stopping.clear()
})

function nodeWith(more: { zone?: string; address?: string; podCidr?: string; taint?: string; deleted?: true } = {}): Node {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name: world.node,
      uid: 'n',
      resourceVersion: '1',
      creationTimestamp: '2026-01-01T00:00:00Z',
      labels: more.zone ? { 'topology.kubernetes.io/zone': more.zone } : {},
      ...(more.deleted ? { deletionTimestamp: '2026-01-01T00:00:01Z' } : {}),
    },
    spec: {
      ...(more.podCidr ? { podCIDR: more.podCidr, podCIDRs: [more.podCidr] } : {}),
      ...(more.taint ? { taints: [{ key: more.taint, effect: 'NoSchedule' }] } : {}),
    },
    status: { addresses: more.address ? [{ type: 'InternalIP', address: more.address }] : [] },
  }
}

async function proxyOn(api: TableApi, kernel: FakeKernel, options: Partial<ProxyOptions> = {}) {
  const stop = new AbortController()
  const proxy = await startProxy({
    client: api,
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    exec: kernel,
    signal: stop.signal,
    nodeName: world.node,
    mode: 'iptables',
    openNftables: () => undefined,
    conntrack: programConntrack(kernel),
    families: [{ family: 'IPv4', nodePortAddresses: ['primary'], podTraffic: 'node' }],
    chainTag: '',
    ...options,
  })
  stopping.add(async () => {
    stop.abort()
    await proxy.stopped
  })
  return proxy
}

const until = async (holds: () => boolean | Promise<boolean>): Promise<void> => {
  await expect.poll(async () => await holds(), { interval: 5, timeout: 3000 }).toBe(true)
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

test('a node’s own address: internal before external, one of each family, written the kernel’s way', () => {
  const node = nodeWith()
  node.status = {
    addresses: [
      { type: 'Hostname', address: 'here' },
      { type: 'ExternalIP', address: '203.0.113.1' },
      { type: 'InternalIP', address: '10.0.0.1' },
      { type: 'InternalIP', address: '10.0.0.2' },
      { type: 'ExternalIP', address: 'FD00:0::1' },
    ],
  }
  expect(factsOf(node).addresses).toEqual({ IPv4: '10.0.0.1', IPv6: 'fd00::1' })
})

test('endpoints are chosen anew when the node’s zone becomes known, or another', async () => {
  const kernel = new FakeKernel({ addresses: [world.nodeAddress] })
  const api = new TableApi()
  api.put(service('web', '10.96.0.10', [{}]))
  const inZone = (pod: 'a' | 'far', zone: string) => ({ ...endpoint(pod), hints: { forZones: [{ name: zone }] } })
  api.put(slice('web', [inZone('a', 'x'), inZone('far', 'y')]))
  await proxyOn(api, kernel)
  const reached = (): string =>
    kernel
      .trace({ from: 'network', protocol: 'tcp', source: world.pods.b, destination: '10.96.0.10', port: 80 })
      .map((outcome) => outcome.to)
      .join()
  expect(reached()).toBe(`${world.pods.a}:8080,${world.pods.far}:8080`)
  api.put(nodeWith({ zone: 'x' }))
  await until(() => reached() === `${world.pods.a}:8080`)
  api.put(nodeWith({ zone: 'y' }))
  await until(() => reached() === `${world.pods.far}:8080`)
})

test('node ports follow the node’s address, masquerading its pod range', async () => {
  const kernel = new FakeKernel({ addresses: [world.nodeAddress, '192.168.78.1'] })
  const api = new TableApi()
  api.put(service('web', '10.96.0.10', [{ nodePort: 30001 }], { type: 'NodePort' }))
  api.put(slice('web', ['a']))
  await proxyOn(api, kernel)
  const trace = (source: string, destination: string, port: number) =>
    kernel.trace({ from: 'network', protocol: 'tcp', source, destination, port })
  const at = (address: string): boolean => trace(world.outside, address, 30001)[0]?.to === `${world.pods.a}:8080`
  expect(at(world.nodeAddress)).toBe(false)
  api.put(nodeWith({ address: world.nodeAddress, podCidr: '10.244.1.0/24' }))
  await until(() => at(world.nodeAddress))
  expect(trace(world.pods.b, '10.96.0.10', 80)[0]?.masqueraded).toBe(false)
  expect(trace(world.pods.far, '10.96.0.10', 80)[0]?.masqueraded).toBe(true)
  api.put(nodeWith({ address: '192.168.78.1', podCidr: '10.244.2.0/24' }))
  await until(() => at('192.168.78.1'))
  expect(at(world.nodeAddress)).toBe(false)
  expect(trace(world.pods.far, '10.96.0.10', 80)[0]?.masqueraded).toBe(false)
})

test.each([['taint', { taint: 'ToBeDeletedByClusterAutoscaler' }] as const, ['deletion', { deleted: true }] as const])(
  'a node that goes away (%s) fails /healthz, not /livez',
  async (_name, leaving) => {
    const port = await freePort()
    const api = new TableApi()
    api.put(nodeWith())
    await proxyOn(api, new FakeKernel({ addresses: [] }), { healthAddress: { host: '127.0.0.1', port } })
    const ask = async (path: string) => await fetch(`http://127.0.0.1:${port}${path}`)
    expect((await ask('/healthz')).status).toBe(200)
    api.put(nodeWith(leaving))
    await until(async () => (await ask('/healthz')).status === 503)
    expect(await (await ask('/healthz')).json()).toMatchObject({ nodeEligible: false })
    expect((await ask('/livez')).status).toBe(200)
    api.put(nodeWith())
    await until(async () => (await ask('/healthz')).status === 200)
  },
)

test('healthCheckNodePort tells how many endpoints the node has', async () => {
  const [port, other] = [await freePort(), await freePort()]
  const api = new TableApi()
  const balanced = (healthCheckNodePort: number) =>
    service('web', '10.96.0.10', [{ name: 'a' }, { name: 'b', port: 81 }], {
      type: 'LoadBalancer',
      externalTrafficPolicy: 'Local',
      healthCheckNodePort,
    })
  const ports = [{ name: 'a' }, { name: 'b' }]
  api.put(nodeWith({ address: '127.0.0.1' }))
  api.put(balanced(port))
  api.put(slice('web', ['a', 'b', 'far', endpoint('c', { ready: false, serving: true, terminating: true })], ports))
  await proxyOn(api, new FakeKernel({ addresses: [] }))
  const ask = async (at = port) => await fetch(`http://127.0.0.1:${at}/any`)
  const answer = await ask()
  expect([answer.status, answer.headers.get('x-load-balancing-endpoint-weight')]).toEqual([200, '2'])
  expect(await answer.json()).toEqual({ service: { namespace: 'test', name: 'web' }, localEndpoints: 2, serviceProxyHealthy: true })
  api.put(slice('web', ['far'], ports))
  await until(async () => (await ask()).status === 503)
  expect(await (await ask()).json()).toMatchObject({ localEndpoints: 0 })
  api.put(balanced(other))
  await until(async () => (await ask(other).catch(() => undefined))?.status === 503)
  await expect(ask()).rejects.toThrow()
  api.put({ ...balanced(other), spec: { ...balanced(other).spec, externalTrafficPolicy: 'Cluster' } })
  await until(async () => (await ask(other).catch(() => undefined)) === undefined)
})

test('an address that is taken is an error, unless it may come later', async () => {
  const taken = createServer()
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
  const { port } = taken.address() as AddressInfo
  const healthAddress = { host: '127.0.0.1', port }
  const kernel = new FakeKernel({ addresses: [] })
  await expect(proxyOn(new TableApi(), kernel, { healthAddress })).rejects.toThrow(`127.0.0.1:${port}: port ${port} is in use`)
  const proxy = await proxyOn(new TableApi(), kernel, { healthAddress, mustListen: false })
  expect(proxy.health().healthy).toBe(true)
  taken.close()
})
