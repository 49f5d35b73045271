import { afterEach, expect, test } from 'vitest'
import type { ServiceCIDR } from '../api/generated/types.ts'
import { systemClock } from '../host/clock.ts'
import { silentLog } from '../host/log.ts'
import { systemRandom } from '../host/random.ts'
import { programConntrack } from '../netfilter/conntrack/program-conntrack.ts'
import { FakeKernel } from '../netfilter/fake-kernel.ts'
import { type ProxyOptions, removeProxyRules, type Proxy as ServiceProxy, startProxy } from './proxy.ts'
import { inIpv6, services6, world6 } from './testing/ipv6-scenes.ts'
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
    openNftables: () => undefined,
    conntrack: programConntrack(kernel),
    families: [{ family: 'IPv4', nodePortAddresses: [world.nodeAddress], podTraffic: { by: 'source', cidr: world.podCidr } }],
    chainTag: '',
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

test.each([
  { count: 1_000, times: 1 },
  { count: 999, times: 0 },
])('a first load of $count Services gives memory back $times times, when its rules are in the kernel', async ({ count, times }) => {
  const kernel = kernelOfNode()
  const api = new TableApi()
  for (let i = 0; i < count; i++) api.put(service(`s${i}`, `10.96.${i >> 8}.${i & 255}`, [{}]))
  const rulesThen: string[] = []
  await started(kernel, api, { checkIntervalMs: 60_000, giveBackMemory: () => rulesThen.push(kernel.save()) })
  expect(rulesThen.map((rules) => rules.includes('test/s0'))).toEqual(Array(times).fill(true))
})

test('with liberal connection tracking nothing INVALID is dropped, as upstream', async () => {
  const kernel = kernelOfNode()
  await (await started(kernel, webApi())).stop()
  expect(kernel.save()).toContain('--ctstate INVALID')
  kernel.sysctls.set('net/netfilter/nf_conntrack_tcp_be_liberal', '1')
  await started(kernel, webApi())
  expect(kernel.save()).not.toContain('--ctstate INVALID')
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

test('ranges of Services come and go with ServiceCIDRs; addresses in them that nobody has are refused', async () => {
  const kernel = kernelOfNode()
  const api = new TableApi()
  await started(kernel, api, { families: [{ family: 'IPv4', nodePortAddresses: [], serviceCidr: world.serviceCidr }] })
  const range: ServiceCIDR = {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'ServiceCIDR',
    metadata: { name: 'more', uid: 'more', resourceVersion: '', creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { cidrs: ['10.97.0.0/16', 'fd97::/112'] },
  }
  const refused = (cidr: string): boolean => kernel.save().includes(`-d ${cidr} -m comment --comment "no such service port" -j REJECT`)
  expect([refused(world.serviceCidr), refused('10.97.0.0/16')]).toEqual([true, false])
  api.put(range)
  await until(() => refused('10.97.0.0/16'))
  expect(kernel.save()).not.toContain('fd97::')
  api.remove(range)
  await until(() => !refused('10.97.0.0/16'))
  expect(refused(world.serviceCidr)).toBe(true)
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
  await removeProxyRules({ exec: kernel, openNftables: () => undefined, chainTag: '' })
  expect(kernel.save()).toBe(kernelOfNode().save())
  expect(kernel.sysctls.get('net/ipv4/conf/all/route_localnet')).toBe('0')
})

test('health and metrics are served while it runs', async () => {
  // An address of this process's own, where nobody else has a port.
  const host = `127.77.${(process.pid >> 8) & 255}.${process.pid & 255}`
  const [healthPort, metricsPort] = [10_256, 10_249]
  const proxy = await started(kernelOfNode(), webApi(), {
    healthAddress: { host, port: healthPort },
    metricsAddress: { host, port: metricsPort },
  })
  const health = await fetch(`http://${host}:${healthPort}/healthz`)
  expect([health.status, Object.keys((await health.json()) as object)]).toEqual([200, ['lastUpdated', 'currentTime', 'nodeEligible']])
  const metrics = await (await fetch(`http://${host}:${metricsPort}/metrics`)).text()
  expect(metrics).toMatch(/^kubeproxy_sync_proxy_rules_duration_seconds_count\{ip_family="IPv4"\} [1-9]/m)
  expect(metrics).toMatch(/^kubeproxy_sync_proxy_rules_iptables_total\{ip_family="IPv4",table="nat"\} [1-9]/m)
  expect(metrics).toMatch(/^kubeproxy_proxy_healthz_total\{code="200"\} 1$/m)
  expect(metrics).toMatch(/^kubeproxy_sync_proxy_rules_endpoint_changes_pending 0$/m)
  await proxy.stop()
  await expect(fetch(`http://${host}:${healthPort}/healthz`)).rejects.toThrow()
})

const udpApi = (...pods: ('a' | 'b')[]): TableApi => {
  const api = new TableApi()
  api.put(service('dns', '10.96.0.11', [{ port: 53, protocol: 'UDP', nodePort: 30053 }], { type: 'NodePort' }))
  api.put(slice('dns', pods, [{ protocol: 'UDP' }]))
  return api
}

test.each([
  ['every address', [], ['192.168.77.1', '127.0.0.1']],
  ['a range', ['192.168.0.0/16'], ['192.168.77.1']],
] as const)('UDP flows to a node port are forgotten at the addresses where it answers: %s', async (_name, nodePortAddresses, gone) => {
  const kernel = kernelOfNode()
  const flow = (destination: string, replySource: string) => ({
    source: world.outside,
    destination,
    port: 30053,
    replySource,
    replyPort: 8080,
  })
  // The last is to somebody else's port 30053.
  const destinations = ['192.168.77.1', '127.0.0.1', '203.0.113.5']
  kernel.flows = destinations.map((destination) => flow(destination, world.pods.a))
  const api = udpApi('a')
  await started(kernel, api, { families: [{ family: 'IPv4', nodePortAddresses, podTraffic: { by: 'source', cidr: world.podCidr } }] })
  expect(kernel.flows.map((each) => each.destination)).toEqual(destinations)
  api.put(slice('dns', ['b'], [{ protocol: 'UDP' }]))
  await until(() => kernel.flows.length < destinations.length)
  expect(kernel.flows.map((each) => each.destination)).toEqual(destinations.filter((each) => !(gone as readonly string[]).includes(each)))
})

test('both families at once, each with its own rules; removal takes both', async () => {
  const kernel = new FakeKernel({ addresses: [world.nodeAddress, world6.nodeAddress] })
  const api = new TableApi()
  const [web] = services6.filter((each) => each.metadata.name === 'web')
  const dual = service('web', '10.96.0.10', [{ nodePort: 30001 }], { type: 'NodePort' })
  dual.spec.clusterIPs = ['10.96.0.10', web?.spec.clusterIP as string]
  api.put(dual)
  api.put(slice('web', ['a']))
  const six = inIpv6(slice('web', ['b']))
  six.metadata.name = 'web-six'
  api.put(six)
  const families = [
    { family: 'IPv4', nodePortAddresses: [world.nodeAddress], podTraffic: { by: 'source', cidr: world.podCidr } },
    { family: 'IPv6', nodePortAddresses: [world6.nodeAddress], podTraffic: { by: 'source', cidr: world6.podCidr } },
  ] as const
  const proxy = await started(kernel, api, { families })
  const reached = (destination: string, source: string): string[] =>
    kernel.trace({ from: 'network', protocol: 'tcp', source, destination, port: 80 }).map((outcome) => outcome.to)
  expect(reached('10.96.0.10', world.pods.far)).toEqual([`${world.pods.a}:8080`])
  expect(reached(web?.spec.clusterIP as string, world6.pods.far)).toEqual([`[${world6.pods.b}]:8080`])
  await proxy.stop()
  await removeProxyRules({ exec: kernel, openNftables: () => undefined, chainTag: '' })
  expect([...kernel.chains('nat'), ...kernel.chains('nat', 'IPv6'), ...kernel.chains('filter', 'IPv6')]).toEqual([])
})
