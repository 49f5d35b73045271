import { afterEach, expect, test } from 'vitest'
import { systemClock } from '../host/clock.ts'
import { silentLog } from '../host/log.ts'
import { systemRandom } from '../host/random.ts'
import { FakeKernel } from '../netfilter/fake-kernel.ts'
import { type ProxyOptions, removeProxyRules, type Proxy as ServiceProxy, startProxy } from './proxy.ts'
import { service, slice, world } from './testing/scenes.ts'
import { TableApi } from './testing/table-api.ts'

const stops: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop()
})

async function started(
  kernel: FakeKernel,
  api: TableApi,
  more: Partial<ProxyOptions> = {},
): Promise<ServiceProxy & { stop: () => Promise<void> }> {
  const stopping = new AbortController()
  const proxy = await startProxy({
    client: api,
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    exec: kernel,
    signal: stopping.signal,
    nodeName: world.node,
    mode: 'iptables',
    families: [{ family: 'IPv4', nodeAddresses: [world.nodeAddress], podCidr: world.podCidr }],
    chainTag: '',
    healthPort: 0,
    metricsPort: 0,
    checkIntervalMs: 20,
    ...more,
  })
  const stop = async (): Promise<void> => {
    stopping.abort()
    await proxy.stopped
  }
  stops.push(stop)
  return { ...proxy, stop }
}

const kernelOfNode = (): FakeKernel => new FakeKernel({ addresses: [world.nodeAddress] })
const until = (holds: () => boolean): Promise<void> =>
  expect.poll(holds, { interval: 5, timeout: 3000 }).toBe(true) as unknown as Promise<void>

function webApi(): TableApi {
  const api = new TableApi()
  api.put(service('web', '10.96.0.10', [{ nodePort: 30001 }], { type: 'NodePort' }))
  api.put(slice('web', ['a', 'b']))
  return api
}

test('a burst of changes becomes few transactions', async () => {
  const kernel = kernelOfNode()
  const api = webApi()
  await started(kernel, api, { checkIntervalMs: 60_000 })
  const before = kernel.transactions.length
  for (let i = 0; i < 100; i++) api.put(service(`s${i}`, `10.96.1.${i}`, [{}]))
  await until(() => kernel.save().includes('10.96.1.99'))
  expect(kernel.transactions.length - before).toBeLessThan(10)
})

test('a second start finds everything in place and writes nothing', async () => {
  const kernel = kernelOfNode()
  const api = webApi()
  await (await started(kernel, api)).stop()
  const before = kernel.transactions.length
  await started(kernel, api)
  expect(kernel.transactions.length).toBe(before)
})

test.each([
  ['all tables', (kernel: FakeKernel) => kernel.flush()],
  ['all chains of nat, left empty', (kernel: FakeKernel) => kernel.empty('nat')],
  ['one chain', (kernel: FakeKernel) => kernel.empty('filter', 'KUBE-FORWARD')],
])('rules lost by someone else come back: %s', async (_name, lose) => {
  const kernel = kernelOfNode()
  await started(kernel, webApi())
  const before = kernel.save().split('\n').sort()
  lose(kernel)
  await until(() => kernel.save().split('\n').sort().join() === before.join())
})

test('what iptables refuses is tried again, and is unhealthy only after a while', async () => {
  const kernel = kernelOfNode()
  const api = webApi()
  const proxy = await started(kernel, api, { checkIntervalMs: 60_000 })
  kernel.failures = ['another app is holding the xtables lock']
  api.put(slice('web', ['c']))
  await until(() => kernel.save().includes(world.pods.c))
  expect(proxy.health().healthy).toBe(true)
})

test('UDP flows of a former endpoint are forgotten, all others kept', async () => {
  const kernel = kernelOfNode()
  const api = new TableApi()
  api.put(service('dns', '10.96.0.11', [{ port: 53, protocol: 'UDP' }]))
  api.put(slice('dns', ['a', 'b'], [{ protocol: 'UDP' }]))
  await started(kernel, api)
  const flow = { source: world.pods.far, destination: '10.96.0.11', port: 53, replyPort: 8080 }
  const stale = { ...flow, replySource: world.pods.a }
  const good = { ...flow, replySource: world.pods.b }
  const foreign = { ...flow, destination: '192.0.2.9', replySource: world.pods.a }
  kernel.flows = [stale, good, foreign]
  api.put(slice('dns', ['b'], [{ protocol: 'UDP' }]))
  await until(() => !kernel.flows.includes(stale))
  expect(kernel.flows).toEqual([good, foreign])
})

test('a flow that began before there were endpoints is forgotten once there are some', async () => {
  const kernel = kernelOfNode()
  const api = new TableApi()
  api.put(service('dns', '10.96.0.11', [{ port: 53, protocol: 'UDP' }]))
  await started(kernel, api)
  kernel.flows = [{ source: world.pods.far, destination: '10.96.0.11', port: 53, replySource: '10.96.0.11', replyPort: 53 }]
  api.put(slice('dns', ['b'], [{ protocol: 'UDP' }]))
  await until(() => kernel.flows.length === 0)
})

test('removal takes all of ours, and route_localnet goes back to what it was', async () => {
  const kernel = kernelOfNode()
  await (await started(kernel, webApi())).stop()
  expect(kernel.sysctls.get('net/ipv4/conf/all/route_localnet')).toBe('1')
  await removeProxyRules({ exec: kernel, chainTag: '' })
  expect(kernel.save()).toBe(kernelOfNode().save())
  expect(kernel.sysctls.get('net/ipv4/conf/all/route_localnet')).toBe('0')
})

test('health and metrics are served while it runs', async () => {
  const [healthPort, metricsPort] = [20_000 + (process.pid % 10_000), 30_000 + (process.pid % 10_000)]
  const proxy = await started(kernelOfNode(), webApi(), { healthPort, metricsPort })
  const health = await fetch(`http://127.0.0.1:${healthPort}/healthz`)
  expect([health.status, Object.keys((await health.json()) as object)]).toEqual([200, ['lastUpdated', 'currentTime', 'nodeEligible']])
  const metrics = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text()
  expect(metrics).toMatch(/^kubeproxy_sync_proxy_rules_duration_seconds_count [1-9]/m)
  await proxy.stop()
  await expect(fetch(`http://127.0.0.1:${healthPort}/healthz`)).rejects.toThrow()
})
